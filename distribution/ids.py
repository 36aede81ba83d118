"""Time-ordered ids (UUIDv7, RFC 9562): unique everywhere, only growing within a process."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils import compat

EPOCH = datetime.fromtimestamp(0, UTC)
LOWEST_ID = UUID(int=0)


def new_id() -> UUID:
    """Returns an id above every id that this process made before."""
    return compat.uuid7()


def time_of(uid: UUID) -> datetime:
    """The moment when an id was made, to the millisecond, in UTC."""
    return datetime.fromtimestamp((uid.int >> 80) / 1000, UTC)


def first_id_at(moment: datetime) -> UUID:
    """The lowest id of that millisecond: everything created from then on is at or above it."""
    milliseconds = max(0, (moment - EPOCH) // timedelta(milliseconds=1))
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62))


def isoformat(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
