"""The result of one attempt to publish a message."""

from enum import StrEnum


class PublishResult(StrEnum):
    """The broker's report, or the conclusion from its silence or from the end of the channel."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    """A negative acknowledgement: for example, a queue that should get it is full."""
    UNROUTABLE = "unroutable"
    """Returned: no queue takes it."""
    UNCONFIRMED = "unconfirmed"
    """No confirmation in time, or the connection was lost with nothing else in flight."""
    UNPUBLISHABLE = "unpublishable"
    """It ends the channel or the connection, or cannot be put into frames."""
