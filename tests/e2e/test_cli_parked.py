"""`contacts-worker parked` as people use it: messages are listed, shown, replayed, dropped and collected."""

import json

import aiormq
import pytest
from pamqp.commands import Basic
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from distribution.store.tables import contacts
from tests.e2e.cli import cli, declared
from tests.e2e.programs import Programs
from tests.factories import count, open_source, take
from tests.polling import until


async def test_parked_is_listed_shown_replayed_and_dropped(programs: Programs, engine: AsyncEngine) -> None:
    """The way back of a message whose source did not exist, and the end of one that is nonsense."""
    worker = await programs.start("worker")
    await worker.until_ready()
    lost = json.dumps({"message_id": "m-1", "source": "web", "lead": {"external_id": "7"}})
    nonsense = json.dumps({"message_id": "m-2", "body": {"source": "web"}})
    assert (await cli(programs, "publish", "--file", "-", stdin=f"{lost}\n{nonsense}\n")).status == 0

    async def both_are_parked() -> bool:
        return len((await cli(programs, "parked", "list")).out.splitlines()) == 2

    await until(both_are_parked)
    assert (await cli(programs, "parked", "replay", "--code", "unknown_source")).status == 1
    await open_source(engine, "web", {"Olga": (1, 100)})
    replayed = await cli(programs, "parked", "replay", "--code", "unknown_source")
    assert (replayed.status, replayed.out) == (0, "1 went through, 0 parked again\n")
    (left,) = (await cli(programs, "parked", "list", "--state", "rejected")).out.splitlines()
    answer = await cli(programs, "parked", "show", left.split()[0])
    assert (answer.status, answer.err) == (0, "")
    shown = json.loads(answer.out)
    assert (shown["code"], shown["message_id"]) == ("invalid_message", "m-2")
    assert (await cli(programs, "parked", "drop", left.split()[0])).status == 0
    again = await cli(programs, "parked", "drop", left.split()[0])
    assert (again.status, "is dropped already" in again.err) == (2, True)
    assert await worker.stop() == 0
    assert await count(engine, contacts) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_list_of_parked_messages_is_as_long_as_asked_for(programs: Programs, engine: AsyncEngine) -> None:
    """However large they are, and though each page of them is short then."""
    for number in range(36):
        await take(engine, [Incoming(b"{" * 250_000, message_id=f"m{number}")])
    assert len((await cli(programs, "parked", "list")).out.splitlines()) == 36
    newest = (await cli(programs, "parked", "list", "--limit", "7")).out.splitlines()
    assert [line.split("/")[1].split(":")[0] for line in newest] == [f"m{number}" for number in range(35, 28, -1)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_the_broker_gave_up_is_collected_and_replayed(programs: Programs, engine: AsyncEngine) -> None:
    """contacts.dead is emptied into the parked messages, and from there into a contact; a huge one is no more whole."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    topology = await declared(programs)
    body = json.dumps({"source": "web", "lead": {"external_id": "7"}}).encode()
    async with aiormq.connect(programs.settings["AMQP_URL"]) as connection:
        channel = await connection.channel()
        properties = Basic.Properties(message_id="killer", message_type="contact.submit", delivery_mode=2)
        await channel.basic_publish(body, exchange=topology.dead, properties=properties)
        huge = Basic.Properties(message_id="huge", delivery_mode=2)
        await channel.basic_publish(b"x" * 2_000_000, exchange=topology.dead, properties=huge)
        collected = await cli(programs, "parked", "collect")
        assert (collected.status, collected.out) == (0, "2 messages collected\n")
        assert (await channel.queue_declare(topology.dead, passive=True)).message_count == 0
    cut, row = (await cli(programs, "parked", "list", "--code", "undelivered")).out.splitlines()
    assert "web/killer: The broker gave the message up: it does not say why; it may have been published" in row
    assert (await cli(programs, "parked", "replay", row.split()[0])).status == 0
    assert await count(engine, contacts) == 1
    refused = await cli(programs, "parked", "replay", cut.split()[0])
    assert (refused.status, "cannot be replayed: only the first 65536 of its 2000000 bytes" in refused.err) == (2, True)
