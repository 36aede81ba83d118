"""The TLS files that an address names: whether they can be used. No message shows a file's name."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
PROTOCOLS = ["postgresql"]
"""ALPN: what a server requires if TLS begins without negotiation."""


def check(files: Mapping[str, str], password: str | None) -> None:
    """Raise ValueError, naming the parameter, if a file is unreadable, of another kind or does not fit the others."""
    for word, path in files.items():
        _check_readable(word, path)
    for word in ("sslrootcert", "sslcrl"):
        if word in files:
            _check_loadable(word, files[word])
    if "sslcert" in files:
        _load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files, password)
    elif "sslkey" in files:
        raise ValueError("has an sslkey, which is of no use without sslcert")


def of_the_system(words: Mapping[str, str]) -> ssl.SSLContext:
    """Returns a context that trusts the system's authorities; the name in the certificate must be the host's."""
    tls_context = ssl.create_default_context()
    tls_context.set_alpn_protocols(PROTOCOLS)
    if "sslcert" in words:
        _load_certificate(tls_context, words, words.get("sslpassword"))
    if "sslcrl" in words:
        tls_context.load_verify_locations(cafile=words["sslcrl"])
        tls_context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if lowest := words.get("ssl_min_protocol_version"):
        tls_context.minimum_version = VERSIONS[lowest]
    if highest := words.get("ssl_max_protocol_version"):
        tls_context.maximum_version = VERSIONS[highest]
    return tls_context


def _check_readable(word: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number).lower() if number else "its name holds what no name can"
        raise ValueError(f"names with {word} a file that cannot be read: {reason}") from None


def _check_loadable(word: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"names with {word} a file that holds no certificate or list of them in PEM") from None


def _load_certificate(tls_context: ssl.SSLContext, files: Mapping[str, str], password: str | None) -> None:
    try:
        # Without a password function, OpenSSL would prompt for it on the terminal, and wait.
        tls_context.load_cert_chain(files["sslcert"], files.get("sslkey"), password=lambda: password or "")
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise ValueError("names with sslkey a key that does not belong to the certificate of sslcert") from None
        raise ValueError(
            "names with sslcert and sslkey files that are not a certificate and its key in PEM, or the key has a"
            " passphrase that sslpassword does not hold"
        ) from None
