"""What caused a connection error, and what a TLS error means; for the database and the broker."""

import ssl
from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields the error, its cause, the cause of that, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def describe_tls_error(error: ssl.SSLError, peer: str) -> str:
    """Returns what is wrong with TLS to the peer (broker, server), in words that say where to look."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the {peer}'s certificate is not trusted: {error.verify_message.rstrip('.')}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return f"the {peer} refuses our certificate or our TLS: {reason}"
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"the {peer} does not speak TLS on this port"
    return f"TLS failed: {reason}"
