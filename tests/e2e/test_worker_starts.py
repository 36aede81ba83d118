"""What a person sees when the worker cannot start, or cannot work yet."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from devservices.ports import free_ports
from tests.e2e.programs import Programs

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BAD_SETTINGS = {
    "BROKER_PREFIX": "amq.",
    "WORKER_BATCH_SIZE": "many",
    "DATABASE_URL": "mysql://root:hush@127.0.0.1/contacts",
    "AMQP_URL": "http://guest:hush@127.0.0.1/",
    "EVENT_LOG_MAX_AGE": "a week",
    "LOG_LEVEL": "loud",
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
async def test_bad_setting(programs: Programs, name: str) -> None:
    """A bad setting ends the worker with one line that names the variable and shows no password."""
    worker = await programs.start("worker", **{name: BAD_SETTINGS[name]})
    assert await worker.ended() != 0
    assert len(worker.printed) == 1
    assert name in worker.printed[0]
    assert "hush" not in worker.printed[0]


async def test_no_database(programs: Programs) -> None:
    """A database that is not there ends the worker with one line that names DATABASE_URL and hides the password."""
    url = f"postgresql+asyncpg://someone:hush@127.0.0.1:{free_ports(1)[0]}/contacts"
    worker = await programs.start("worker", DATABASE_URL=url)
    assert await worker.ended() != 0
    (line,) = worker.printed
    assert "DATABASE_URL" in line
    assert "hush" not in line


async def test_unknown_schema(programs: Programs) -> None:
    """A database without the schema ends the worker with one line that says which command to run."""
    worker = await programs.start("worker", DATABASE_URL=f"sqlite+aiosqlite:///{programs.folder}/new.db")
    assert await worker.ended() != 0
    (line,) = worker.printed
    assert "alembic upgrade head" in line


async def test_default_file_makes_its_own_schema(programs: Programs) -> None:
    """Without DATABASE_URL the worker makes ./data/contacts.db and its schema, and works."""
    del programs.settings["DATABASE_URL"]
    worker = await programs.start("worker")
    await worker.until_ready()
    assert (programs.folder / "data" / "contacts.db").exists()
    assert await worker.stop() == 0


async def test_no_broker(programs: Programs) -> None:
    """Without a broker the worker keeps trying, says so, is not ready, and still stops at once when asked."""
    worker = await programs.start("worker", AMQP_URL=f"amqp://guest:hush@127.0.0.1:{free_ports(1)[0]}/")
    await worker.until_printed("broker_connection_lost")
    assert worker.process.returncode is None
    assert await worker.stop() == 0
    assert not any("hush" in line for line in worker.printed)


@contextmanager
def proxy_without_a_broker() -> Iterator[int]:
    """Hangs up at once, from a thread, so that the end comes with the beginning. Gives its port."""

    def hang_up() -> None:
        with suppress(OSError):
            while True:
                listening.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=hang_up)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_proxy_without_a_broker(programs: Programs) -> None:
    """A proxy whose broker is away, which hangs up before a word is said, is a broker that is away."""
    with proxy_without_a_broker() as port:
        worker = await programs.start("worker", AMQP_URL=f"amqp://127.0.0.1:{port}/")
        await worker.until_printed("hung up before it said anything")
        assert worker.process.returncode is None
        assert await worker.stop() == 0


async def test_port_in_use(programs: Programs) -> None:
    """A health port that is taken ends the worker with one line."""
    first = await programs.start("worker")
    await first.until_ready()
    second = await programs.start("worker", WORKER_HEALTH_PORT=first.url.rsplit(":", 1)[1])
    assert await second.ended() != 0
    assert "WORKER_HEALTH_PORT" in second.printed[-1]
    assert len(second.printed) == 1
