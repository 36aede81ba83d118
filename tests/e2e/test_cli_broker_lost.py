"""`contacts-worker` loses the broker in the midst of its work: one line says so, and it ends."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from devservices.app_process import app_environment
from devservices.broker import Broker, broker
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS
from tests.e2e.programs import Programs
from tests.programs.forked import start
from worker.broker.topology import Topology

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SOON_SECONDS = 10
LOST = "the broker (AMQP_URL): the connection was lost"


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Broker]:
    """One whose connections are ours to end."""
    with broker(control=True) as found:
        yield found


@pytest.mark.parametrize(
    ("arguments", "at_work", "last"),
    [
        (("watch",), "looked at", LOST),
        (("watch", "--since", "1h"), "looked at", LOST),
        (
            ("publish", "--source", "web", "--external-id", "7", "--wait"),
            "published and confirmed",
            f"{LOST}; the messages are published",
        ),
    ],
)
async def test_a_lost_connection_ends_the_command(
    programs: Programs, rabbitmq: Broker, arguments: tuple[str, ...], at_work: str, last: str
) -> None:
    """Nothing waits for what cannot come any more; what was published is said to be."""
    await declare_at(rabbitmq.url, Topology(programs.settings["BROKER_PREFIX"], "1h"))
    environment = app_environment(programs.settings | {"PYTHONUNBUFFERED": "1"})
    child = await start("worker.cli.main", arguments, cwd=programs.folder, env=environment)
    assert child.stdout is not None
    assert child.stderr is not None
    stream = child.stderr if arguments[0] == "watch" else child.stdout
    async with asyncio.timeout(PATIENCE_SECONDS):
        while at_work not in (await stream.readline()).decode():
            pass
        await asyncio.to_thread(rabbitmq.rabbitmqctl, "close_all_connections", "maintenance")
        _, err = await child.communicate()
    assert child.returncode == 2
    assert err.decode().splitlines()[-1] == f"contacts-worker: {last}"


async def test_a_frozen_broker_does_not_hold_up_the_end(programs: Programs, rabbitmq: Broker) -> None:
    """Ctrl-C ends `watch` at once, long before the heartbeat shows that the broker is gone."""
    await declare_at(rabbitmq.url, Topology(programs.settings["BROKER_PREFIX"], "1h"))
    environment = app_environment(programs.settings | {"PYTHONUNBUFFERED": "1"})
    child = await start("worker.cli.main", ("watch",), cwd=programs.folder, env=environment)
    assert child.stderr is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "looked at" not in (await child.stderr.readline()).decode():
            pass
    rabbitmq.freeze()
    try:
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(SOON_SECONDS):
            await child.communicate()
    finally:
        rabbitmq.thaw()
