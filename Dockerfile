# One image for every process of Cartscope: its name is the command, `docker run cartscope:local --help` explains.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Every package is checked against its hash here, once. Below, nothing comes from anywhere else but the chart library of
# the console's page, which npm checks against the hash in its own lock file when the wheel is made.
COPY requirements/run.lock ./
RUN python -m pip download --quiet --require-hashes --only-binary :all: --dest /wheels --requirement run.lock

COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY handlers handlers
COPY observability observability
RUN python -m venv /build \
  && /build/bin/python -m pip install --quiet --no-index --find-links /wheels --requirement run.lock \
  && /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

# Without pip, and without what only the build needs.
RUN python -m venv --without-pip /opt/cartscope \
  && python -m pip --python /opt/cartscope/bin/python install --quiet --no-index --find-links /wheels cartscope \
  && mkdir -p /home/cartscope


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Cartscope" \
      org.opencontainers.image.description="An observable event-driven reference platform" \
      org.opencontainers.image.source="https://github.com/cartscope/cartscope" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=builder /opt/cartscope /opt/cartscope
COPY --from=builder --chown=10010:10010 /home/cartscope /home/cartscope

ENV PATH=/opt/cartscope/bin:$PATH \
    HOME=/home/cartscope \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CARTSCOPE_HOST=0.0.0.0 \
    CARTSCOPE_TELEMETRY_PORT=9464

USER 10010:10010
WORKDIR /home/cartscope
EXPOSE 8000 8080 9464

# Every process serves its metrics as long as it lives; what runs once, or is no server, has this check off.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/metrics', timeout=3)"]

ENTRYPOINT ["cartscope"]
CMD ["--help"]
