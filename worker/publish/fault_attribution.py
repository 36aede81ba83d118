"""Whether a publication caused the end of a channel or a connection."""

from aiormq import exceptions

from worker.publish.outbox_buffer import Fault

OF_ONE = (
    exceptions.ChannelPreconditionFailed,
    exceptions.ConnectionFrameError,
    exceptions.ConnectionInternalError,
    exceptions.ConnectionSyntaxError,
    exceptions.ConnectionUnexpectedFrame,
)
"""The broker's errors for a single publication, such as for its size or routing key."""


def attribute_fault(*reasons: BaseException) -> Fault:
    """Attribute the end of a channel by the given reasons; the most specific one counts."""
    if any(isinstance(reason, OF_ONE) for reason in reasons):
        return Fault.ONE
    refused = [str(reason) for reason in reasons if isinstance(reason, exceptions.ChannelAccessRefused)]
    if not refused:
        return Fault.NONE
    # Topic permissions are per routing key, all others per exchange.
    return Fault.ONE if any("to topic" in text for text in refused) else Fault.ALL
