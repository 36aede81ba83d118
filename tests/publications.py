"""Publications for tests of the relay's decisions."""

from uuid import UUID

from distribution.ids import new_id
from distribution.store.outbox import Publication


def publication(
    *, size: int = 10, reply_to: str = "", attempts: int = 0, contact_id: UUID | None = None, sequence: int = 1
) -> Publication:
    """An event, or a reply to a queue."""
    row_id = new_id()
    key = reply_to or "contact.assigned.web.1"
    about = row_id, contact_id, sequence, str(row_id), "contact.assigned", key, bool(reply_to)
    return Publication(*about, None, None, b"x" * size, attempts=attempts)
