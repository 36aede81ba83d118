"""Certificates of an authority of our own, as files."""

from dataclasses import dataclass
from pathlib import Path

import trustme

CLIENT = "contacts-client"


@dataclass(frozen=True)
class CertificateFiles:
    """Files of one authority: its own, and what it gave to a client."""

    authority: trustme.CA
    folder: Path

    @property
    def ca(self) -> Path:
        """Whom to trust."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """Who we are."""
        return self.folder / "client.pem"

    @property
    def key(self) -> Path:
        """The proof of it."""
        return self.folder / "client.key"

    def query(self, *, with_certificate: bool = True) -> str:
        """The same as part of an address."""
        own = f"&certfile={self.certificate}&keyfile={self.key}" if with_certificate else ""
        return f"cafile={self.ca}{own}"


def papers(folder: Path) -> CertificateFiles:
    """A new authority and a certificate of it for a client."""
    folder.mkdir()
    made = CertificateFiles(trustme.CA(), folder)
    client = made.authority.issue_cert("client.invalid", common_name=CLIENT)
    made.authority.cert_pem.write_to_path(made.ca)
    client.cert_chain_pems[0].write_to_path(made.certificate)
    client.private_key_pem.write_to_path(made.key)
    return made
