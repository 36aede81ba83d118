"""PostgreSQL with TLS: whom we trust, who we are, and what is said when it does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import trustme

from devservices.postgres import Postgres, postgres
from distribution.errors import DatabaseUnusable
from distribution.store.database_address import unusable
from distribution.store.engine import create_engine
from distribution.store.transactions import reading
from tests.integration.postgres_servers import put, settings, tell

USED = sa.text("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
RULES = """
hostssl all certified all trust clientcert=verify-ca
host all all all trust
local all all trust
"""


@dataclass(frozen=True)
class CertificateFiles:
    """An authority's file, and a certificate with its key that it gave to a client."""

    authority: trustme.CA
    folder: Path

    def words(self, mode: str = "verify-full", *, own: bool = False) -> str:
        """The same as words of an address."""
        files = f"&sslcert={self.folder}/client.pem&sslkey={self.folder}/client.key" if own else ""
        return f"sslmode={mode}&sslrootcert={self.folder}/ca.pem{files}"


def papers(folder: Path) -> CertificateFiles:
    """A new authority."""
    folder.mkdir()
    made = CertificateFiles(trustme.CA(), folder)
    made.authority.cert_pem.write_to_path(folder / "ca.pem")
    client = made.authority.issue_cert("client.invalid", common_name="contacts")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    return made


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """The authority of the server."""
    return papers(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Another one."""
    return papers(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture(scope="module")
def secure(ours: CertificateFiles) -> Iterator[Postgres]:
    """A server whose certificate is for the host in its address, and that asks one of its users for one."""
    with postgres(control=True) as server:
        use(server, ours.authority.issue_cert(str(sa.make_url(server.url).host)), ours)
        yield server


def use(server: Postgres, certificate: trustme.LeafCert, trusted: CertificateFiles) -> None:
    """Have it show a certificate from now on."""
    tell(
        server.url,
        put("server.pem", certificate.cert_chain_pems[0].bytes().decode()),
        put("server.key", certificate.private_key_pem.bytes().decode()),
        put("ca.pem", trusted.authority.cert_pem.bytes().decode()),
        put("pg_hba.conf", RULES),
        "DROP ROLE IF EXISTS certified",
        "CREATE ROLE certified LOGIN",
        *settings(ssl="on", ssl_cert_file="server.pem", ssl_key_file="server.key", ssl_ca_file="ca.pem"),
        "SELECT pg_reload_conf()",
    )


async def used(server: Postgres, words: str, user: str | None = None) -> tuple[bool, str | None]:
    """Whether a connection with these words has TLS, and whom the server sees."""
    engine = create_engine(address(server, words, user))
    try:
        async with reading(engine) as conn:
            secured, name = (await conn.execute(USED)).one()
            return bool(secured), name
    finally:
        await engine.dispose()


def address(server: Postgres, words: str, user: str | None = None) -> str:
    """The server's address with words behind it, as a provider would hand it out."""
    url = sa.make_url(server.url).set(drivername="postgres")
    return (url.set(username=user) if user else url).render_as_string(hide_password=False) + f"?{words}"


async def refusal(server: Postgres, words: str, user: str | None = None) -> str:
    """What is said of a connection that does not come about."""
    try:
        await used(server, words, user)
    except Exception as error:
        said = unusable(address(server, words, user), error)
        assert isinstance(said, DatabaseUnusable)
        assert "\n" not in str(said)
        return str(said)
    raise AssertionError


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_verified(secure: Postgres, ours: CertificateFiles, mode: str) -> None:
    """With the authority's file each of these comes to a connection with TLS."""
    assert await used(secure, ours.words(mode)) == (True, None)


@pytest.mark.parametrize("words", ["sslmode=prefer", "sslmode=require", ""])
async def test_encrypted(secure: Postgres, words: str) -> None:
    """Without it these do, and verify nobody."""
    assert await used(secure, words) == (True, None)


@pytest.mark.parametrize("mode", ["disable", "allow"])
async def test_without_tls(secure: Postgres, mode: str) -> None:
    """Without TLS where it is not asked for."""
    assert await used(secure, f"sslmode={mode}") == (False, None)


async def test_certificate_of_our_own(secure: Postgres, ours: CertificateFiles, theirs: CertificateFiles) -> None:
    """The server sees whose it is; without one, or with a stranger's, it is said that ours is refused."""
    secured, name = await used(secure, ours.words(own=True), "certified")
    assert secured
    assert "CN=contacts" in str(name)
    assert "certificate" in await refusal(secure, ours.words(), "certified")
    stranger = f"&sslcert={theirs.folder}/client.pem&sslkey={theirs.folder}/client.key"
    refused = await refusal(secure, ours.words() + stranger, "certified")
    # With TLS 1.3 the server may close the connection before its reason is read.
    assert "refuses our certificate" in refused or "closed in the middle" in refused


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_server_of_another_authority(secure: Postgres, theirs: CertificateFiles, mode: str) -> None:
    """With an authority named it is verified, also with require, as libpq does it."""
    assert "the server's certificate is not trusted: " in await refusal(secure, theirs.words(mode))


async def test_nobody_is_trusted(secure: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """verify-full without an authority says which word is missing; the system's do not know this server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "name the file of one in sslrootcert" in await refusal(secure, "sslmode=verify-full")
    assert "is not trusted: " in await refusal(secure, "sslrootcert=system")


async def test_server_of_another_name(secure: Postgres, ours: CertificateFiles) -> None:
    """verify-full looks at the name, verify-ca does not."""
    host = str(sa.make_url(secure.url).host)
    elsewhere = "localhost" if host == "127.0.0.1" else "127.0.0.1"
    words = f"{ours.words()}&host={elsewhere}&port={sa.make_url(secure.url).port}"
    assert "mismatch, certificate is not valid for" in await refusal(secure, words)
    assert await used(secure, words.replace("verify-full", "verify-ca")) == (True, None)


@pytest.mark.parametrize("words", ["sslmode=require", "sslrootcert=system"])
async def test_server_without_tls(postgres_server: Postgres, words: str) -> None:
    """It gets no password in the clear, and the line says that it has no TLS."""
    assert "the server offers no TLS, which sslmode asks for" in await refusal(postgres_server, words)
    assert await used(postgres_server, "sslmode=prefer") == (False, None)
