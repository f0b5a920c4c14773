"""The settings, from environment variables that start with `CARTSCOPE_`; each has a default that works."""

import os
from datetime import timedelta
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cart_platform.errors import UsageError


class Settings(BaseSettings):
    """What a process of Cartscope can be told."""

    model_config = SettingsConfigDict(env_prefix="CARTSCOPE_", extra="ignore")

    store_url: str = Field(
        "sqlite:///cartscope-store.db", description="Where carts and events are kept: sqlite:///file or redis://host"
    )
    bus_url: str = Field("sqlite:///cartscope-bus.db", description="What carries events: sqlite:///file or amqp://host")
    mail_url: str = Field(
        "maildir:///cartscope-mail", description="Where e-mails go: maildir:///folder or smtp://host:port"
    )
    handlers: str = Field("cart_handlers.table:handlers", description="The table of handlers, as module:function")
    host: str = Field("127.0.0.1", description="The address that the API and /metrics listen on")
    api_port: int = Field(8000, ge=0, le=65535, description="The API's port; 0 takes a free one")
    console_port: int = Field(8080, ge=0, le=65535, description="The port of a demo's console; 0 takes a free one")
    telemetry_port: int = Field(0, ge=0, le=65535, description="The port of /metrics; 0 takes a free one")
    log_dir: Path | None = Field(None, description="A folder for log files beside standard output")
    secrets_dir: Path | None = Field(
        None, description="A folder of files named as these variables in small letters; variables go before files"
    )
    faults_file: Path | None = Field(
        None, description="The file by which faults are switched on; without it none can be"
    )
    shards: int = Field(8, ge=1, le=256, description="Parts that a new store is divided into; relays share them")
    retention: timedelta = Field(
        timedelta(days=7), description="How long events, results and idempotency keys are kept"
    )
    retry_delays: tuple[float, ...] = Field(
        (1, 5, 30, 120), description="Seconds before each further attempt, as [1,5]"
    )
    prefetch: int = Field(
        400, ge=1, le=10_000, description="Deliveries that a worker holds unsettled, for each handler"
    )
    batch: int = Field(200, ge=1, le=1_000, description="Deliveries or events that are worked on as one unit, at most")
    claim_lease: float = Field(
        15.0, gt=0, description="Seconds for which a worker claims an event before it acts outside"
    )
    relay_lease: float = Field(5.0, gt=0, description="Seconds after which the shards of a silent relay are taken over")
    start_patience: float = Field(
        0.0, ge=0, description="Seconds that a starting process waits for servers that do not answer"
    )
    drain: float = Field(20.0, ge=0, description="Seconds that a stopping process has to finish what it began")
    waiting_commands: int = Field(
        2_000, ge=1, description="Commands that may wait for a commit before the API says 503"
    )


def load_settings() -> Settings:
    """Read the settings from the environment, and from the files of `CARTSCOPE_SECRETS_DIR` what is not there.

    Raises:
        UsageError: naming each variable that cannot be used, and why.
    """
    folder = os.environ.get("CARTSCOPE_SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise UsageError(f"the settings cannot be used: CARTSCOPE_SECRETS_DIR: {folder} is not a folder")
    try:
        return Settings(_secrets_dir=folder)
    except OSError as error:
        raise UsageError(f"the settings cannot be used: CARTSCOPE_SECRETS_DIR: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"CARTSCOPE_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors()
        )
        raise UsageError(f"the settings cannot be used: {faults}") from error
