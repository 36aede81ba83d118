"""Where the next page of a list starts: the last id, as text that is opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from admin_api.http.problems import RequestRejected, invalid
from distribution.store.tables import MAX_ID

NUMBER_BYTES = 8
UUID_BYTES = 16
NUMBER_CURSOR = "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"
UUID_CURSOR = "^[A-Za-z0-9_-]{21}[AQgw]$"


def cursor_of(key: int | UUID | None) -> str | None:
    """Returns the cursor of the page after this id."""
    if key is None:
        return None
    return _encode(key.bytes if isinstance(key, UUID) else key.to_bytes(NUMBER_BYTES))


def number_after(cursor: str | None) -> int | None:
    """Returns the numeric id of a cursor; raises RequestRejected if it is not one."""
    if cursor is None:
        return None
    number = int.from_bytes(_decode(cursor, NUMBER_BYTES))
    if number > MAX_ID:
        raise _invalid_cursor()
    return number


def uuid_after(cursor: str | None) -> UUID | None:
    """Returns the UUID of a cursor; raises RequestRejected if it is not one."""
    return None if cursor is None else UUID(bytes=_decode(cursor, UUID_BYTES))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(cursor: str, size: int) -> bytes:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise _invalid_cursor() from None
    if len(raw) != size or _encode(raw) != cursor:
        raise _invalid_cursor()
    return raw


def _invalid_cursor() -> RequestRejected:
    return invalid([("cursor", "is not a next_cursor of this list")])
