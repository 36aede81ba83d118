"""Points that a delivery and an event pass, at which a hook is called.

The worker's hook is `no_failpoints`, which does nothing. Failure tests pass one that ends the process at some point.
"""

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """The points; the docstring of each says what the hook's second argument is, if not empty."""

    TAKEN = "taken"
    """A message is about to be processed: its message_id."""
    BEFORE_COMMIT = "before_commit"
    """Everything of a batch is written and not yet committed."""
    AFTER_COMMIT = "after_commit"
    BEFORE_ACK = "before_ack"
    AFTER_ACK = "after_ack"
    BEFORE_PUBLISH = "before_publish"
    """An event is about to be published: its id."""
    AFTER_CONFIRM = "after_confirm"
    """The broker has confirmed an event: its id."""
    BEFORE_DELETE = "before_delete"
    """Confirmed events are about to be deleted from the outbox."""


FailpointHook = Callable[[Failpoint, str], None]


def no_failpoints(_point: Failpoint, _about: str) -> None:
    """Does nothing."""
