"""amqps: who is trusted, who we are, and what is said when it does not fit."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import trustme
from pydantic import SecretStr
from yarl import URL

from devservices.broker import Broker, broker
from devservices.rabbitmq_node import Certificates
from tests.clients import PATIENCE_SECONDS
from tests.integration.worker.certificate_files import CLIENT, CertificateFiles
from worker.broker.connection import Connection, open_connection
from worker.broker.connection_errors import NoBroker
from worker.broker.supervisor import ConnectionSupervisor
from worker.broker.urls import parse
from worker.metrics import Metrics
from worker.readiness import Readiness
from worker.settings import WorkerSettings

# The broker's alert, or what is said where it hung up before that could be read.
OUR_CERTIFICATE = "the broker (refuses|may have refused) our certificate"
SECRET = "s3cr3t-w0rd"  # noqa: S105  # not one


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
    loop = asyncio.get_running_loop()
    gave_up: asyncio.Future[float] = loop.create_future()

    async def serve(_: Connection) -> None:
        await asyncio.to_thread(secure.freeze)
        gave_up.set_result(loop.time())
        raise TimeoutError

    link = ConnectionSupervisor(
        parse(f"{secure.tls_url}?{ours.query()}"), "consumer", Readiness(), Metrics(), Random(1)
    )
    running = asyncio.create_task(link.run(serve))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            since = await gave_up
            link.stop()
            await running
        assert loop.time() - since < 10
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
