"""What real programs print of text from outside and of addresses with secrets."""

import json
from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from devservices.ports import free_ports
from tests.broker_setup import declare_at
from tests.e2e.cli import cli
from tests.e2e.programs import Programs
from worker.broker.topology import Topology

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HOSTILE = "Olga\x1b[2J\x9b31m\u202e\n2026-11-25T00:00:00Z contact.assigned forged"
SECRET = "hush4c1d9e"  # noqa: S105  # what is looked for


@pytest.fixture
async def channel(programs: Programs) -> AsyncIterator[AbstractChannel]:
    """Everything declared, no worker running."""
    await declare_at(programs.settings["AMQP_URL"], names(programs))
    async with aiormq.connect(programs.settings["AMQP_URL"]) as connection:
        yield await connection.channel()


def names(programs: Programs) -> Topology:
    """The installation's names."""
    return Topology(programs.settings["BROKER_PREFIX"], "1h")


def is_harmless(text: str) -> bool:
    """Whether a terminal would do nothing but show it."""
    return all(each.isprintable() for each in text.replace("\n", ""))


async def test_watch_shows_a_hostile_name_in_one_line(programs: Programs, channel: AbstractChannel) -> None:
    """As text and as JSON, which keeps its value; on a terminal that knows ASCII alone as well."""
    event = {
        "time": "2026-11-25T10:00:00Z", "type": "contact.assigned", "subject": "c-1",
        "data": {"source": {"code": "web"}, "lead": {"external_id": "1"}, "operator": {"name": HOSTILE}, "reason": None,
                 "sequence": 1},
    }  # fmt: skip
    pretty = json.dumps(event, ensure_ascii=False, indent=1).encode()
    for body in (b"no event \x1b[2J", pretty):
        await channel.basic_publish(body, exchange=names(programs).assignments, routing_key="contact.assigned.web.1")
    for options in ((), ("--json",)):
        said = await cli(programs, "watch", "--since", "7d", "--count", "1", *options, PYTHONIOENCODING="ascii")
        assert (said.status, is_harmless(said.out), is_harmless(said.err)) == (0, True, True)
        assert len(said.out.splitlines()) == 1
        assert "not an event" in said.err
    assert json.loads(said.out) == event


async def test_parked_messages_are_shown_in_one_line_each(programs: Programs, channel: AbstractChannel) -> None:
    """Key and detail come from whoever sent the message."""
    body = json.dumps({"source": HOSTILE, "lead": {"external_id": "7"}}, ensure_ascii=False).encode()
    properties = Basic.Properties(message_id=HOSTILE, message_type=HOSTILE)
    await channel.basic_publish(body, exchange=names(programs).dead, properties=properties)
    assert (await cli(programs, "parked", "collect")).status == 0
    listed = await cli(programs, "parked", "list", PYTHONIOENCODING="ascii")
    (line,) = listed.out.splitlines()
    assert (listed.status, is_harmless(line)) == (0, True)
    shown = await cli(programs, "parked", "show", line.split()[0])
    assert is_harmless(shown.out)
    assert json.loads(shown.out)["message_id"] == HOSTILE


@pytest.mark.parametrize(
    ("module", "query"), [("worker", "?port="), ("worker", "?nonsense="), ("admin_api", "?password=")]
)
async def test_no_secret_of_the_database_is_printed(programs: Programs, module: str, query: str) -> None:
    """One line, whatever the driver says about the address."""
    url = f"postgresql+asyncpg://u@127.0.0.1:{free_ports(1)[0]}/x{query}{SECRET}"
    process = await programs.start(module, DATABASE_URL=url)
    assert await process.ended() == 2
    (line,) = process.printed
    assert "DATABASE_URL" in line
    assert SECRET not in line


async def test_no_secret_of_the_broker_is_logged(programs: Programs) -> None:
    """A password with an @ in it, and a query."""
    worker = await programs.start("worker", AMQP_URL=f"amqp://u:p@{SECRET}@127.0.0.1:{free_ports(1)[0]}/?name={SECRET}")
    await worker.until_printed("broker_connection_lost")
    assert await worker.stop() == 0
    assert not any(SECRET in line for line in worker.printed)
