"""Why there is no connection, in words that tell a person where to look."""

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

from distribution.error_causes import causes, describe_tls_error
from distribution.errors import DistributionError

LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, EOFError)
"""What says that a connection was lost, or could not be made."""


class ConnectionLost(ConnectionError):
    """The connection ended while it was in use, or never came to be."""


class NoBroker(DistributionError):
    """None of the brokers could be connected to; the message says why for each."""

    code = "no_broker"


def describe_error(error: BaseException) -> str:
    """The cause that says the most, in one line."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return describe_tls_error(cause, "broker")
    if isinstance(error, AMQPError) and (said := _broker_reason(error)):
        return said
    # The innermost is the system's own; the client library wraps it.
    for cause in reversed(chain):
        if isinstance(cause, OSError) and cause.errno:
            return os_reason(cause)
    return " ".join(str(error).split()) or type(error).__name__


def was_dropped(error: BaseException) -> bool:
    """Whether the other side hung up without a word that reached us."""
    dropped = (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)
    return any(isinstance(cause, dropped) for cause in causes(error))


def os_reason(error: OSError) -> str:
    """What the system said, worded the same on every event loop; or the broker, whose numbers are not the system's."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)


def _broker_reason(error: AMQPError) -> str:
    """Where the client library's own words would not help; empty where they do."""
    if type(error) is AuthenticationError:
        return f"the broker does not offer the auth that AMQP_URL asks for, it offers {error.args[0]}"
    said = " ".join(str(error).split())
    if isinstance(error, ProbableAuthenticationError) or "Login was refused" in said:
        return f"the broker refused the user or the password of AMQP_URL: {said}"
    if isinstance(error, InvalidFrameError) and "Connection.OpenOk" in said:
        return (
            "the broker refused the virtual host of AMQP_URL: it is not there, or this user may not use it"
            " (the one named / is written %2F, or left out)"
        )
    return ""
