"""The worker's settings."""

import re
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from yarl import URL

from distribution.settings import SharedSettings

MAX_AGE = re.compile(r"[1-9][0-9]*[YMDhms]")
PREFIX = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


class WorkerSettings(SharedSettings):
    """What the worker reads from the environment."""

    means_something_empty: ClassVar[frozenset[str]] = frozenset({"event_log_max_age"})

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    broker_prefix: str = ""
    event_log_max_age: str = "7D"
    worker_batch_size: int = Field(default=500, ge=1, le=5000)
    worker_health_host: str = "127.0.0.1"
    worker_health_port: int = Field(default=8001, ge=0, le=65535)

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: SecretStr) -> SecretStr:
        try:
            url = URL(value.get_secret_value())
        except ValueError:
            raise ValueError("is not an address, expected amqp://user:password@host:port/vhost") from None
        if url.scheme not in ("amqp", "amqps") or not url.host:
            raise ValueError("is not an AMQP address, expected amqp://user:password@host:port/vhost")
        return value

    @field_validator("broker_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not PREFIX.fullmatch(value):
            raise ValueError("may hold up to 64 of letters, digits and _ . : -")
        return value

    @field_validator("event_log_max_age")
    @classmethod
    def _max_age(cls, value: str) -> str:
        if value and not MAX_AGE.fullmatch(value):
            raise ValueError("is not a number with one of Y, M, D, h, m, s behind it, such as 7D; empty means no log")
        return value
