"""Certificates and keys for amqps://, and what is wrong with them in words."""

import ssl
from base64 import b64decode
from pathlib import Path

from yarl import URL

from worker.broker.errors import os_reason

NOT_VERIFIED = "no_verify_ssl"


class UnusableFile(OSError):
    """A file of certificates or keys cannot be used; the message says which and why."""


def context(url: URL) -> ssl.SSLContext | None:
    """What secures a connection to `url`; None if it asks for none. Reads the files anew: certificates are renewed.

    Its query may name cafile, capath or cadata, certfile and keyfile; with an authority of our own the system's are not
    trusted. Chain and host name are verified unless the query says otherwise.
    """
    if url.scheme != "amqps":
        return None
    made = _trusting(url.query.get("cafile"), url.query.get("capath"), url.query.get("cadata"))
    if certificate := url.query.get("certfile"):
        _present(made, certificate, url.query.get("keyfile") or certificate)
    if not verifies(url):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def verifies(url: URL) -> bool:
    """Whether the broker's certificate is looked at."""
    return url.query.get(NOT_VERIFIED, "0") == "0"


def check_authority(path: Path) -> None:
    """Raise UnusableFile where it holds no certificate to trust."""
    _trusting(str(path))


def check_certificate(certificate: Path, key: Path | None) -> None:
    """Raise UnusableFile where the two are not a certificate and its key; without a key, it is in the same file."""
    _present(ssl.create_default_context(), str(certificate), str(key or certificate))


def _trusting(file: str | None, folder: str | None = None, data: str | None = None) -> ssl.SSLContext:
    if file is not None:
        check_readable(file)
    try:
        return ssl.create_default_context(cafile=file, capath=folder, cadata=b64decode(data) if data else None)
    except (ssl.SSLError, ValueError):
        raise UnusableFile(f"{file or 'cadata'} holds no certificate in PEM") from None


def _present(made: ssl.SSLContext, certificate: str, key: str) -> None:
    check_readable(certificate)
    check_readable(key)
    try:
        made.load_cert_chain(certificate, key, password=_refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UnusableFile(f"the key in {key} does not belong to the certificate in {certificate}") from None
        raise UnusableFile(f"{certificate} and {key} are not a certificate and its key in PEM") from None
    except ValueError:
        raise UnusableFile(f"the key in {key} has a passphrase; it is needed without one") from None


def _refuse() -> str:
    """Without it the library would ask for the passphrase on the terminal, and wait."""
    raise ValueError("no passphrases")


def check_readable(path: str | Path) -> None:
    """Raise UnusableFile where the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {os_reason(error)}") from None
