"""The worker's settings."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from yarl import URL

from distribution.intake.decoder import Decoder
from distribution.intake.sender_rules import SenderRules
from distribution.messages import WHOLE_BYTES
from distribution.settings import SharedSettings
from worker.bot_users_setting import parse_bot_users
from worker.broker import tls, urls
from worker.broker.topology import Topology

MAX_AGE = re.compile(r"[1-9][0-9]*[YMDhms]")
LEAST_SEGMENT, LARGEST_SEGMENT = 1_000_000, 3_000_000_000
USUAL_SEGMENT = 500_000_000
"""RabbitMQ's default size of a stream segment, in bytes."""


class WorkerSettings(SharedSettings):
    """Settings that the worker reads from the environment."""

    means_something_empty: ClassVar[frozenset[str]] = frozenset({"event_log_max_age"})

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    amqp_ca_file: Path | None = None
    amqp_cert_file: Path | None = None
    amqp_key_file: Path | None = Field(default=None, validate_default=True)
    bot_users: str = ""
    broker_declare: bool = True
    event_log_max_age: str = "7D"
    event_log_segment_bytes: int | None = Field(default=None, ge=LEAST_SEGMENT, le=LARGEST_SEGMENT)
    event_log_max_bytes: int | None = Field(default=None, ge=LEAST_SEGMENT)
    worker_batch_size: int = Field(default=500, ge=1, le=5000)
    worker_health_host: str = "127.0.0.1"
    worker_health_port: int = Field(default=8001, ge=0, le=65535)

    @property
    def decoder(self) -> Decoder:
        """The decoder, with the rules for what senders may do."""
        users = parse_bot_users(self.bot_users) if self.bot_users else {}
        return replace(super().decoder, sender_rules=SenderRules(users, self.reply_queues))

    @property
    def whole_bytes(self) -> int:
        """Of a larger message only the beginning is kept."""
        return max(WHOLE_BYTES, self.max_message_bytes)

    @property
    def topology(self) -> Topology:
        """The exchanges and queues that the worker declares or checks."""
        return Topology(
            self.broker_prefix,
            self.event_log_max_age,
            self.broker_declare,
            self.event_log_max_bytes,
            self.event_log_segment_bytes,
        )

    @property
    def brokers(self) -> tuple[URL, ...]:
        """Every broker of AMQP_URL, with the TLS files added to its query; files that the query already names win."""
        files = {"cafile": self.amqp_ca_file, "certfile": self.amqp_cert_file, "keyfile": self.amqp_key_file}
        return tuple(_with_files(url, files) for url in urls.parse(self.amqp_url.get_secret_value()))

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: SecretStr) -> SecretStr:
        for url in urls.parse(value.get_secret_value()):
            tls.context(url)
        return value

    @field_validator("amqp_ca_file", "amqp_cert_file")
    @classmethod
    def _needs_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        url: SecretStr | None = info.data.get("amqp_url")
        if value and url and not url.get_secret_value().lstrip().startswith("amqps://"):
            raise ValueError("is of no use without TLS: AMQP_URL must begin with amqps://")
        if value:
            tls.check_readable(value)
        return value

    @field_validator("amqp_ca_file")
    @classmethod
    def _authority(cls, value: Path | None) -> Path | None:
        if value:
            tls.check_authority(value)
        return value

    @field_validator("amqp_key_file")
    @classmethod
    def _certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate: Path | None = info.data.get("amqp_cert_file")
        if certificate:
            tls.check_certificate(certificate, value)
        elif value and "amqp_cert_file" in info.data:
            raise ValueError("is of no use without the certificate, AMQP_CERT_FILE")
        return value

    @field_validator("bot_users")
    @classmethod
    def _users(cls, value: str) -> str:
        if value:
            parse_bot_users(value)
        return value

    @field_validator("event_log_max_bytes")
    @classmethod
    def _max_bytes(cls, value: int | None, info: ValidationInfo) -> int | None:
        segment = info.data.get("event_log_segment_bytes") or USUAL_SEGMENT
        if value is not None and value < 2 * segment:
            raise ValueError(
                f"is less than two segments of the log ({segment} bytes each), and only whole segments are dropped:"
                " set EVENT_LOG_SEGMENT_BYTES to a tenth of it"
            )
        return value

    @field_validator("event_log_max_age")
    @classmethod
    def _max_age(cls, value: str) -> str:
        if value and not MAX_AGE.fullmatch(value):
            raise ValueError("is not a number with one of Y, M, D, h, m, s behind it, such as 7D; empty means no log")
        return value


def _with_files(url: URL, files: Mapping[str, Path | None]) -> URL:
    if url.scheme != "amqps":
        return url
    # A certificate and its key belong together: never one from the query with the other from the settings.
    in_query = {"certfile", "keyfile"} if "certfile" in url.query else set()
    named = {name: str(path) for name, path in files.items() if path and name not in url.query and name not in in_query}
    return url.update_query(named)
