"""amqps: who is trusted, who we are, and what is said when it does not fit."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr
from yarl import URL

from devservices.app_process import app_environment
from devservices.broker import Broker, broker
from devservices.rabbitmq_node import Certificates
from tests.clients import PATIENCE_SECONDS
from tests.programs.forked import start
from worker.broker.connection import Connection, open_connection
from worker.broker.errors import NoBroker
from worker.broker.supervisor import ConnectionSupervisor
from worker.broker.urls import parse
from worker.metrics import Metrics
from worker.readiness import Readiness
from worker.settings import WorkerSettings

# The broker's alert, or what is said where it hung up before that could be read.
OUR_CERTIFICATE = "the broker (refuses|may have refused) our certificate"
CLIENT = "contacts-client"
SECRET = "s3cr3t-w0rd"  # noqa: S105  # not one


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


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """The authority of the broker."""
    return papers(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Another authority, which the broker does not know."""
    return papers(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture(scope="module")
def secure(ours: CertificateFiles) -> Iterator[Broker]:
    """A broker that asks its clients for a certificate."""
    own = ours.authority.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(ours.folder / "server.pem")
    own.private_key_pem.write_to_path(ours.folder / "server.key")
    with broker(control=True, tls=Certificates(ours.ca, ours.folder / "server.pem", ours.folder / "server.key")) as it:
        yield it


async def refusal(url: str) -> str:
    """What is said of a broker that cannot be used."""
    with pytest.raises(NoBroker) as refused:
        await open_connection(parse(url), "test")
    return str(refused.value)


async def test_settings_name_the_files(secure: Broker, ours: CertificateFiles) -> None:
    """With AMQP_CA_FILE, AMQP_CERT_FILE and AMQP_KEY_FILE the worker's link connects and is content."""
    settings = WorkerSettings(
        amqp_url=SecretStr(secure.tls_url),
        amqp_ca_file=ours.ca,
        amqp_cert_file=ours.certificate,
        amqp_key_file=ours.key,
    )
    readiness, served = Readiness(), asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.channel()
        assert readiness.problems == {}
        served.set()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await ConnectionSupervisor(settings.brokers, "consumer", readiness, Metrics(), Random(1)).run(serve)
    assert served.is_set()


async def test_address_names_the_files(secure: Broker, ours: CertificateFiles) -> None:
    """The names the client library reads from an address keep working."""
    connection = await open_connection(parse(f"{secure.tls_url}?{ours.query()}"), "test")
    await connection.close()


async def test_certificate_instead_of_a_password(secure: Broker, ours: CertificateFiles) -> None:
    """With auth=external the broker knows us by our certificate, without user and password in the address."""
    secure.rabbitmqctl("add_user", CLIENT, SECRET)
    secure.rabbitmqctl("clear_password", CLIENT)
    secure.rabbitmqctl("set_permissions", CLIENT, ".*", ".*", ".*")
    port = URL(secure.tls_url).port
    connection = await open_connection(parse(f"amqps://127.0.0.1:{port}/?auth=external&{ours.query()}"), "test")
    await connection.close()


async def test_untrusted_broker(secure: Broker, ours: CertificateFiles, theirs: CertificateFiles) -> None:
    """A broker of another authority gets no password: the worker is not ready, says why, and tries again."""
    url = f"{URL(secure.tls_url).with_password(SECRET)}?cafile={theirs.ca}"
    url += f"&certfile={ours.certificate}&keyfile={ours.key}"
    readiness = Readiness()

    async def serve(_: Connection) -> None:
        raise AssertionError

    link = ConnectionSupervisor(parse(url), "consumer", readiness, Metrics(), Random(1))
    running = asyncio.create_task(link.run(serve))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await readiness.until(lambda now: "certificate is not trusted" in now.problems.get("consumer", ""))
    assert not running.done()
    assert SECRET not in str(readiness.problems)
    link.stop()
    await running


async def test_frozen_broker(secure: Broker, ours: CertificateFiles) -> None:
    """A broker that answers nothing is noticed by the heartbeat, and the end of TLS is not waited for."""
    readiness, served = Readiness(), asyncio.Event()

    async def serve(_: Connection) -> None:
        served.set()
        await asyncio.Event().wait()

    link = ConnectionSupervisor(
        parse(f"{secure.tls_url}?heartbeat=1&{ours.query()}"), "consumer", readiness, Metrics(), Random(1)
    )
    running = asyncio.create_task(link.run(serve))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await served.wait()
    await asyncio.to_thread(secure.freeze)
    try:
        async with asyncio.timeout(25):
            lost = "not connected to the broker: 127.0.0.1"
            await readiness.until(lambda now: lost in now.problems.get("consumer", ""))
    finally:
        await asyncio.to_thread(secure.thaw)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_leaving_a_frozen_broker(secure: Broker, ours: CertificateFiles) -> None:
    """Whoever gives up on a broker before the heartbeat does is not held up by closing the connection."""
    gave_up = 0.0

    async def serve(_: Connection) -> None:
        nonlocal gave_up
        await asyncio.to_thread(secure.freeze)
        gave_up = asyncio.get_running_loop().time()
        raise TimeoutError

    link = ConnectionSupervisor(
        parse(f"{secure.tls_url}?{ours.query()}"), "consumer", Readiness(), Metrics(), Random(1)
    )
    running = asyncio.create_task(link.run(serve))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not gave_up:  # noqa: ASYNC110  # a plain number
                await asyncio.sleep(0.05)
            link.stop()
            await running
        assert asyncio.get_running_loop().time() - gave_up < 10
    finally:
        await asyncio.to_thread(secure.thaw)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_broker_asks_for_a_certificate(secure: Broker, ours: CertificateFiles, theirs: CertificateFiles) -> None:
    """Without a certificate, or with one of another authority, the line says that it is ours that is refused."""
    bare = f"{secure.tls_url}?{ours.query(with_certificate=False)}"
    assert re.search(OUR_CERTIFICATE, await refusal(bare))
    foreign = f"{bare}&certfile={theirs.certificate}&keyfile={theirs.key}"
    assert re.search(OUR_CERTIFICATE, await refusal(foreign))


async def test_wrong_port(secure: Broker, ours: CertificateFiles) -> None:
    """TLS on the plain port, and no TLS on the other, each end in a line and not in a hang."""
    plain = URL(secure.url).port
    assert "does not speak TLS" in await refusal(f"amqps://guest:guest@127.0.0.1:{plain}/?{ours.query()}")
    assert "127.0.0.1" in await refusal(f"amqp://guest:guest@127.0.0.1:{URL(secure.tls_url).port}/")


@asynccontextmanager
async def shows(certificate: trustme.LeafCert) -> AsyncIterator[int]:
    """A server that shows a certificate and is nobody's broker; gives its port."""
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(secured)

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=secured) as server:
        yield server.sockets[0].getsockname()[1]


async def test_expired_certificate(ours: CertificateFiles) -> None:
    """An expired certificate of the broker is called that."""
    over = ours.authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    async with shows(over) as port:
        said = await refusal(f"amqps://127.0.0.1:{port}/?{ours.query()}")
    assert "not trusted: certificate has expired" in said


async def test_certificate_of_another_host(ours: CertificateFiles) -> None:
    """The name in the certificate must be the one that was connected to, unless that was switched off."""
    async with shows(ours.authority.issue_cert("elsewhere.invalid")) as port:
        url = f"amqps://127.0.0.1:{port}/?{ours.query()}"
        assert "not trusted: IP address mismatch" in await refusal(url)
        assert "not trusted" not in await refusal(f"{url}&no_verify_ssl=1")


async def errors_of_worker(folder: Path, **settings: str) -> str:
    """What `python -m worker` says, which must not get far."""
    url = f"amqps://guest:{SECRET}@127.0.0.1:1/"
    child = await start("worker", cwd=folder, env=app_environment({"AMQP_URL": url} | settings))
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, errors = await child.communicate()
    assert child.returncode == 2, errors
    return errors.decode()


def bad_files(ours: CertificateFiles, theirs: CertificateFiles, folder: Path) -> dict[str, dict[str, str]]:
    """Settings that trying again would not make right, by the words that are said of them."""
    junk, locked = folder / "junk.pem", folder / "locked.key"
    junk.write_text("-----BEGIN CERTIFICATE-----\n")
    key = load_pem_private_key(ours.key.read_bytes(), None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")))
    certificate = {"AMQP_CERT_FILE": str(ours.certificate)}
    return {
        "AMQP_CA_FILE: /nowhere/ca.pem cannot be read: no such file": {"AMQP_CA_FILE": "/nowhere/ca.pem"},
        "AMQP_CA_FILE: " + str(junk) + " holds no certificate": {"AMQP_CA_FILE": str(junk)},
        "AMQP_CERT_FILE: /nowhere/c.pem cannot be read": {"AMQP_CERT_FILE": "/nowhere/c.pem"},
        "AMQP_KEY_FILE: the key in": certificate | {"AMQP_KEY_FILE": str(theirs.key)},
        "does not belong to the certificate": certificate | {"AMQP_KEY_FILE": str(theirs.key)},
        "are not a certificate and its key": certificate,
        "has a passphrase": certificate | {"AMQP_KEY_FILE": str(locked)},
        "AMQP_KEY_FILE: is of no use without": {"AMQP_KEY_FILE": str(ours.key)},
        "AMQP_CA_FILE: is of no use without TLS": {"AMQP_URL": f"amqp://u:{SECRET}@h/", "AMQP_CA_FILE": str(ours.ca)},
        "AMQP_URL: /nowhere/q.pem cannot be read": {"AMQP_URL": f"amqps://u:{SECRET}@h/?cafile=/nowhere/q.pem"},
    }


async def test_bad_files_stop_the_worker(ours: CertificateFiles, theirs: CertificateFiles, tmp_path: Path) -> None:
    """A file that is missing, is something else or does not fit ends the worker with one line and status 2."""
    for words, settings in bad_files(ours, theirs, tmp_path).items():
        (line,) = (await errors_of_worker(tmp_path, **settings)).splitlines()
        assert words in line
        assert SECRET not in line


def test_certificate_and_key_in_one_file(ours: CertificateFiles, tmp_path: Path) -> None:
    """The key may be in the file of the certificate; the address's own certificate wins over the settings'."""
    together = tmp_path / "both.pem"
    together.write_bytes(ours.certificate.read_bytes() + ours.key.read_bytes())
    url = f"amqps://a/?certfile={ours.certificate}&keyfile={ours.key},amqps://b/"
    settings = WorkerSettings(amqp_url=SecretStr(url), amqp_cert_file=together)
    assert [dict(each.query).get("certfile") for each in settings.brokers] == [str(ours.certificate), str(together)]
    assert [dict(each.query).get("keyfile") for each in settings.brokers] == [str(ours.key), None]
