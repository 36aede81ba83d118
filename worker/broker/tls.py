"""Certificates and keys for amqps://, with readable errors."""

import ssl
from base64 import b64decode
from pathlib import Path

from yarl import URL

from worker.broker.connection_errors import os_reason

NOT_VERIFIED = "no_verify_ssl"


class UnusableFile(OSError, ValueError):
    """A certificate or key file cannot be used; the message says which and why.

    ValueError: settings report it as a wrong value. OSError: once the worker runs, connecting is retried.
    """


def context(url: URL) -> ssl.SSLContext | None:
    """The TLS context for a connection to `url`; None without TLS. Reads the files each time: certificates are renewed.

    Its query may name cafile, capath or cadata, certfile and keyfile; with a CA named there, the system's are not
    trusted. Chain and host name are verified unless the query says otherwise.
    """
    if url.scheme != "amqps":
        return None
    ssl_context = _trusting(url.query.get("cafile"), url.query.get("capath"), url.query.get("cadata"))
    if certificate := url.query.get("certfile"):
        _present(ssl_context, certificate, url.query.get("keyfile") or certificate)
    if not verifies(url):
        ssl_context.check_hostname = False
        ssl_context.verify_mode = ssl.CERT_NONE
    return ssl_context


def verifies(url: URL) -> bool:
    """Whether the broker's certificate is verified."""
    return url.query.get(NOT_VERIFIED, "0") == "0"


def check_authority(path: Path) -> None:
    """Raise UnusableFile if the file holds no CA certificate."""
    _trusting(str(path))


def check_certificate(certificate: Path, key: Path | None) -> None:
    """Raise UnusableFile if the two are not a certificate and its key; without `key`, it is in the same file."""
    _present(ssl.create_default_context(), str(certificate), str(key or certificate))


def _trusting(file: str | None, folder: str | None = None, data: str | None = None) -> ssl.SSLContext:
    if file is not None:
        check_readable(file)
    try:
        return ssl.create_default_context(cafile=file, capath=folder, cadata=b64decode(data) if data else None)
    except (ssl.SSLError, ValueError):
        raise UnusableFile(f"{file or 'cadata'} holds no certificate in PEM") from None


def _present(ssl_context: ssl.SSLContext, certificate: str, key: str) -> None:
    check_readable(certificate)
    check_readable(key)
    try:
        ssl_context.load_cert_chain(certificate, key, password=_refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UnusableFile(f"the key in {key} does not belong to the certificate in {certificate}") from None
        raise UnusableFile(f"{certificate} and {key} are not a certificate and its key in PEM") from None
    except ValueError:
        raise UnusableFile(f"the key in {key} has a passphrase; it is needed without one") from None


def _refuse() -> str:
    """Without this callback OpenSSL would prompt for the passphrase on the terminal and wait."""
    raise ValueError("no passphrases")


def check_readable(path: str | Path) -> None:
    """Raise UnusableFile if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {os_reason(error)}") from None
