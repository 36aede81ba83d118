"""The files of TLS that an address names: whether they can be used, said without their names."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
PROTOCOLS = ["postgresql"]
"""What a server asks for where TLS begins at once."""


def check(files: Mapping[str, str], password: str | None) -> None:
    """Raise ValueError, naming the word, where a file cannot be read, is something else or does not fit the others.

    `files` by libpq's words: `sslrootcert`, `sslcrl`, `sslcert`, `sslkey`.
    """
    for word, path in files.items():
        _readable(word, path)
    for word in ("sslrootcert", "sslcrl"):
        if word in files:
            _loadable(word, files[word])
    if "sslcert" in files:
        _present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files, password)
    elif "sslkey" in files:
        raise ValueError("has an sslkey, which is of no use without sslcert")


def of_the_system(words: Mapping[str, str]) -> ssl.SSLContext:
    """Trusts the authorities that the system trusts; the name in the certificate must be the host's.

    `words`: those of libpq's that are about TLS.
    """
    made = ssl.create_default_context()
    made.set_alpn_protocols(PROTOCOLS)
    if "sslcert" in words:
        _present(made, words, words.get("sslpassword"))
    if "sslcrl" in words:
        made.load_verify_locations(cafile=words["sslcrl"])
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if lowest := words.get("ssl_min_protocol_version"):
        made.minimum_version = VERSIONS[lowest]
    if highest := words.get("ssl_max_protocol_version"):
        made.maximum_version = VERSIONS[highest]
    return made


def _readable(word: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number).lower() if number else "its name holds what no name can"
        raise ValueError(f"names with {word} a file that cannot be read: {reason}") from None


def _loadable(word: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"names with {word} a file that holds no certificate or list of them in PEM") from None


def _present(made: ssl.SSLContext, files: Mapping[str, str], password: str | None) -> None:
    try:
        # Without a password of ours the library would ask for it on the terminal, and wait.
        made.load_cert_chain(files["sslcert"], files.get("sslkey"), password=lambda: password or "")
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise ValueError("names with sslkey a key that does not belong to the certificate of sslcert") from None
        raise ValueError(
            "names with sslcert and sslkey files that are not a certificate and its key in PEM, or the key has a"
            " passphrase that sslpassword does not hold"
        ) from None
