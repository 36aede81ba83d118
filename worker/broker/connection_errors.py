"""Readable reasons why there is no connection, which show an operator where to look."""

import asyncio
import errno
import os
import ssl

from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from distribution.errors import DistributionError
from distribution.tls_errors import causes, describe_tls_error

LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, EOFError)
"""Errors that mean that a connection was lost or could not be made."""


class ConnectionLost(ConnectionError):
    """The connection ended while in use, or could not be made."""


class NoBroker(DistributionError):
    """No broker could be connected to; the message gives the reason for each."""


def describe_error(error: BaseException) -> str:
    """The most informative cause, in one line."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return describe_tls_error(cause, "broker")
    if isinstance(error, AMQPError) and (reason := _broker_reason(error)):
        return reason
    # The innermost is the system's own; the client library wraps it.
    for cause in reversed(chain):
        if isinstance(cause, OSError) and cause.errno:
            return os_reason(cause)
    return " ".join(str(error).split()) or type(error).__name__


def was_dropped(error: BaseException) -> bool:
    """Whether the peer closed the connection without giving a reason."""
    dropped = (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)
    return any(isinstance(cause, dropped) for cause in causes(error))


def os_reason(error: OSError) -> str:
    """The system's message, worded the same on every event loop; or the broker's, whose numbers are its own."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)


def _broker_reason(error: AMQPError) -> str:
    """A better reason if the client library's own text would not help; else empty."""
    if type(error) is AuthenticationError:
        return f"the broker does not offer the auth that AMQP_URL asks for, it offers {error.args[0]}"
    reason = " ".join(str(error).split())
    if isinstance(error, ProbableAuthenticationError) or "Login was refused" in reason:
        return f"the broker refused the user or the password of AMQP_URL: {reason}"
    if isinstance(error, InvalidFrameError) and "Connection.OpenOk" in reason:
        return (
            "the broker refused the virtual host of AMQP_URL: it is not there, or this user may not use it"
            " (the one named / is written %2F, or left out)"
        )
    return ""
