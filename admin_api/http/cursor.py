"""Where a list goes on: the last id, as text that means nothing to anybody else."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from admin_api.http.problems import RequestRejected, invalid
from distribution.store.tables import MAX_ID

NUMBER_BYTES = 8
UUID_BYTES = 16
NUMBER_CURSOR = "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"
UUID_CURSOR = "^[A-Za-z0-9_-]{21}[AQgw]$"


def cursor_of(key: int | UUID | None) -> str | None:
    """The cursor that goes on after this id."""
    if key is None:
        return None
    return _text(key.bytes if isinstance(key, UUID) else key.to_bytes(NUMBER_BYTES))


def number_after(cursor: str | None) -> int | None:
    """The numeric id that a cursor stands for."""
    if cursor is None:
        return None
    number = int.from_bytes(_bytes(cursor, NUMBER_BYTES))
    if number > MAX_ID:
        raise _wrong()
    return number


def uuid_after(cursor: str | None) -> UUID | None:
    """The UUID that a cursor stands for."""
    return None if cursor is None else UUID(bytes=_bytes(cursor, UUID_BYTES))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(cursor: str, size: int) -> bytes:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise _wrong() from None
    if len(raw) != size or _text(raw) != cursor:
        raise _wrong()
    return raw


def _wrong() -> RequestRejected:
    return invalid([("cursor", "is not a next_cursor of this list")])
