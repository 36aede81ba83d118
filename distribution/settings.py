"""Settings that both processes share, read from the environment or a `.env` file."""

import re
import sys
from typing import ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from distribution.errors import SettingsError
from distribution.intake.decoder import Decoder
from distribution.intake.sender_rules import SenderRules
from distribution.normalize import is_region
from distribution.reply_queues import ReplyQueues
from distribution.store import database_address

DEFAULT_DATABASE_URL = "sqlite+aiosqlite:///./data/contacts.db"
RESERVED = "amq."
PREFIX = re.compile(r"[A-Za-z0-9_.:-]{0,64}")

S = TypeVar("S", bound="SharedSettings")


class SharedSettings(BaseSettings):
    """What the worker and the admin API have in common."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", hide_input_in_errors=True
    )
    means_something_empty: ClassVar[frozenset[str]] = frozenset()

    database_url: SecretStr = SecretStr(DEFAULT_DATABASE_URL)
    max_message_bytes: int = Field(default=256 * 1024, ge=1024, le=16 * 1024 * 1024)
    default_phone_region: str = ""
    broker_prefix: str = ""
    reply_queue_prefix: str = ""
    log_format: Literal["console", "json", "auto"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: dict[str, object]) -> dict[str, object]:
        return {name: v for name, v in values.items() if v != "" or name in cls.means_something_empty}

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("default_phone_region")
    @classmethod
    def _region(cls, value: str) -> str:
        if value and not is_region(value.upper()):
            raise ValueError("is not a country with phone numbers, expected two letters such as KZ")
        return value.upper()

    @field_validator("broker_prefix")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value.startswith(RESERVED):
            raise ValueError(f"must not begin with {RESERVED}, which brokers keep for themselves")
        return value

    @field_validator("broker_prefix", "reply_queue_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not PREFIX.fullmatch(value):
            raise ValueError("may hold up to 64 of letters, digits and _ . : -")
        return value

    @field_validator("database_url")
    @classmethod
    def _address(cls, value: SecretStr) -> SecretStr:
        database_address.check(value.get_secret_value())
        return value

    @property
    def reply_queues(self) -> ReplyQueues:
        """The queues that replies may go to."""
        return ReplyQueues(self.broker_prefix, self.reply_queue_prefix)

    @property
    def decoder(self) -> Decoder:
        """How messages are decoded, over AMQP and over HTTP."""
        return Decoder(self.max_message_bytes, self.default_phone_region, SenderRules(reply_queues=self.reply_queues))

    @property
    def owns_schema(self) -> bool:
        """Whether DATABASE_URL is not set: then the process itself keeps the schema up to date."""
        return "database_url" not in self.model_fields_set

    @property
    def logs_as_json(self) -> bool:
        """JSON lines unless the output is a terminal."""
        return self.log_format == "json" or (self.log_format == "auto" and not sys.stderr.isatty())


def load(kind: type[S]) -> S:
    """Read and check the settings; raises SettingsError with one line that names the variable."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper() or "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason[:1].lower()}{reason[1:]}") from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"the file .env cannot be read: {error}") from None
