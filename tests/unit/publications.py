"""Publications for tests without a database."""

from distribution.ids import new_id
from distribution.store.outbox import Publication


def publication(*, size: int = 10, reply_to: str = "", attempts: int = 0) -> Publication:
    """An event, or a reply to a queue."""
    row_id = new_id()
    reply, key = bool(reply_to), reply_to or "contact.assigned.web.1"
    return Publication(
        row_id, None, 1, str(row_id), "contact.assigned", key, reply, None, None, b"x" * size, attempts=attempts
    )
