"""The errors of the business logic."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class ParkedCode(StrEnum):
    """Why a message is parked; the contract's table."""

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    MISSING_MESSAGE_ID = "missing_message_id"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_SOURCE = "unknown_source"
    UNKNOWN_CONTACT = "unknown_contact"
    TOO_LARGE = "too_large"
    KEY_REUSE = "key_reuse"
    PROCESSING_FAILED = "processing_failed"
    UNDELIVERED = "undelivered"
    NOT_ALLOWED = "not_allowed"


class SourceAndContact(NamedTuple):
    """The source and the contact that a message names, for information only."""

    source: str | None = None
    contact_id: UUID | None = None


class DistributionError(Exception):
    """The base class of these errors."""


class MessageRejected(DistributionError):
    """A message that cannot become a contact, with one sentence its author can act on.

    `errors`: (field, what is wrong with it) of each wrong field, if the detail is made of them.
    """

    named: SourceAndContact | None = None
    """What its body names, if that was already looked up."""

    def __init__(
        self,
        code: ParkedCode,
        detail: str,
        field: str | None = None,
        source: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.errors = errors
        self.code = code
        self.detail = detail
        self.field = field
        self.source = source


class NotFound(DistributionError):
    """There is no such object."""

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"There is no {kind} {key}.")


class Conflict(DistributionError):
    """The request contradicts the current state."""


class VersionConflict(DistributionError):
    """The object is no longer as the editor saw it."""


class InvalidField(DistributionError):
    """A value is well-formed and still wrong; names the field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class InvalidFields(DistributionError):
    """Values are wrong; `errors` are (field, message) of each, with an empty field for the whole."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" if field else message for field, message in errors))
        self.errors = errors


class SettingsError(DistributionError):
    """A setting is wrong; the message is the one line the process prints before it stops."""


class SchemaError(DistributionError):
    """The database's schema is not the one this code knows."""


class DatabaseUnusable(DistributionError):
    """The database cannot be connected to; the message is one line without secrets."""


class DatabaseUnavailable(DistributionError):
    """The database failed; the request itself is not at fault."""


class LockedByOthers(DatabaseUnavailable):
    """Another transaction held a lock for longer than the timeout; work that needs other locks may succeed.

    `held`: whether one transaction holds it for long; False: many short ones take turns; None: unknown.
    """

    def __init__(self, message: str, held: bool | None = None) -> None:
        super().__init__(message)
        self.held = held


class PoolOutdated(DistributionError):
    """What was read before locking had changed by the time the locks were held: repeat the transaction."""
