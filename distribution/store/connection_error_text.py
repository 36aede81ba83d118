"""Describes why there is no connection to the database, in words that say where to look."""

import ssl

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from distribution.tls_errors import causes, describe_tls_error

NO_TLS = "the server offers no TLS, which sslmode asks for"
NOT_TAKEN = "the server takes no writes (a standby, or read-only), which target_session_attrs asks for"
NO_AUTHORITY = (
    "sslmode asks for a certificate that is verified, and no authority is trusted: name the file of one in"
    " sslrootcert, or trust those of the system with sslrootcert=system"
)


def of_connecting(error: BaseException) -> str:
    """Returns the most informative cause's message, in one line or several; empty if it has none."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError):
            return describe_tls_error(cause, "server")
        if isinstance(cause, asyncpg.TargetServerAttributeNotMatched):
            return NOT_TAKEN
        if isinstance(cause, ConnectionError) and "rejected SSL upgrade" in str(cause):
            return NO_TLS
        if isinstance(cause, asyncpg.ClientConfigurationError) and "root certificate file" in str(cause):
            return NO_AUTHORITY
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(getattr(error, "orig", None) or error).strip()
