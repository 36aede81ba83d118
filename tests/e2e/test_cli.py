"""`contacts-worker` as people use it: real processes on a real broker and both databases."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable

import aiormq
import pytest
from pamqp.commands import Basic
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from devservices.app_process import app_environment
from distribution.errors import ParkedCode
from distribution.events import TYPES
from distribution.messages import Incoming
from distribution.store.parked_messages import STATES
from distribution.store.tables import contacts, operators, parked_messages
from distribution.store.transactions import transaction
from tests.clients import PATIENCE_SECONDS
from tests.e2e.cli import cli, declared
from tests.e2e.programs import Programs
from tests.factories import all_events, count, open_source, take
from tests.factories import message as sent
from tests.polling import until
from worker.broker.topology import Topology


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_file_becomes_contacts_and_events_are_watched(programs: Programs, engine: AsyncEngine) -> None:
    """publish, a worker, watch live and from the log; a bad line is named and keeps no other back."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    worker = await programs.start("worker")
    await worker.until_ready()
    watching = asyncio.create_task(cli(programs, "watch", "--since", "1h", "--count", "3", "--json"))
    lines = [json.dumps({"message_id": f"m-{n}", "source": "web", "lead": {"external_id": f"l-{n}"}}) for n in range(3)]
    said = await cli(programs, "publish", "--file", "-", stdin="\n".join([*lines[:2], '{"source": 1', lines[2]]))
    assert (said.status, said.out) == (1, "3 of 4 messages published and confirmed\n")
    assert "line 3: is not JSON" in said.err
    watched = await watching
    assert {json.loads(line)["data"]["contact"]["message_id"] for line in watched.out.splitlines()} == {
        "m-0", "m-1", "m-2"
    }  # fmt: skip
    shown = await cli(programs, "watch", "--since", "1h", "--count", "1", "--type", "contact.assigned")
    assert "contact.assigned" in shown.out
    assert "web l-" in shown.out
    assert "→ Olga" in shown.out
    assert await worker.stop() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_contact_from_the_command_line(programs: Programs, engine: AsyncEngine) -> None:
    """Publishing tells the key it made; the same key again is the same contact."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    worker = await programs.start("worker")
    await worker.until_ready()
    options = ("publish", "--source", "web", "--external-id", "7", "--payload", '{"text": "hi"}')
    said = await cli(programs, *options)
    assert (said.status, said.out.startswith("1 of 1 messages published and confirmed, the key is ")) == (0, True)
    key = said.out.split()[-1]
    await cli(programs, *options, "--message-id", key)

    async def one() -> bool:
        return await count(engine, contacts) == 1

    await until(one)
    assert await worker.stop() == 0
    assert await count(engine, contacts) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_bot_users_at_the_command_line(programs: Programs, engine: AsyncEngine) -> None:
    """Where the worker asks for users, publish names one; a replay asks for none, and sends nothing to our queues."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    user = URL(programs.settings["AMQP_URL"]).user
    programs.settings["BOT_USERS"] = f"{user}=web"
    topology = Topology(programs.settings["BROKER_PREFIX"], "1h")
    worker = await programs.start("worker")
    await worker.until_ready()
    assert (await cli(programs, "publish", "--source", "web", "--external-id", "7")).status == 0
    async with aiormq.connect(programs.settings["AMQP_URL"]) as connection:
        channel = await connection.channel()
        body = json.dumps({"source": "fax", "lead": {"external_id": "7"}}).encode()
        properties = Basic.Properties(message_id="m-1", reply_to=topology.inbound)
        await channel.basic_publish(body, exchange=topology.contacts, properties=properties)

    async def both_are_done() -> bool:
        return (await count(engine, contacts), await count(engine, parked_messages)) == (1, 1)

    await until(both_are_done)
    assert await worker.stop() == 0
    await open_source(engine, "fax", {"Ivan": (1, 100)})
    (row,) = (await cli(programs, "parked", "list", "--code", "not_allowed")).out.splitlines()
    assert (await cli(programs, "parked", "replay", row.split()[0])).out == "1 went through, 0 parked again\n"
    assert [event["type"] for event in await all_events(engine)] == ["contact.assigned"]


async def test_check_says_by_its_status_whether_anything_differs(programs: Programs, engine: AsyncEngine) -> None:
    """0, then 1 once a counter is wrong, and 0 again after the repair."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    fine = await cli(programs, "check")
    assert (fine.status, fine.out) == (0, "nothing differs\n")
    async with transaction(engine) as conn:
        await conn.execute(operators.update().values(load=7))
    wrong = await cli(programs, "check")
    assert (wrong.status, "Olga has load 7 and 0 active contacts" in wrong.out) == (1, True)
    report = json.loads((await cli(programs, "check", "--json")).out)
    assert (report["total"], report["findings"][0]["kind"]) == (1, "load")
    mended = await cli(programs, "check", "--repair")
    assert (mended.status, mended.out) == (0, "1 counters mended\nnothing differs\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("publish", "--source", "web"), "give --source and --external-id"),
        (("publish", "--file", "nowhere.jsonl"), "cannot be read"),
        (("publish", "--source", "w", "--external-id", "1", "--payload", "{"), "--payload is not JSON"),
        (("watch", "--since", "yesterday"), "neither like 90s"),
        (("parked", "replay"), "give the id of one message"),
        (("watch",), "no exchange"),
        (("publish", "--source", "w", "--external-id", "1"), "no exchange"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_wrong_is_said(programs: Programs, arguments: tuple[str, ...], said: str) -> None:
    """Wrong input and a broker without our objects: one clear sentence, exit status 2, no traceback."""
    answer = await cli(programs, *arguments)
    words = " ".join(answer.err.replace("│", " ").split())
    assert (answer.status, said in words, "Traceback" in words) == (2, True, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_broker_that_is_away_is_said_without_its_password(programs: Programs) -> None:
    """One line with the address and without secrets."""
    answer = await cli(programs, "watch", AMQP_URL="amqp://bot:hush-hush@127.0.0.1:1/")
    assert answer.status == 2
    assert "127.0.0.1:1" in answer.err.splitlines()[-1]
    assert "hush-hush" not in answer.out + answer.err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_publish_waits_for_outcomes(programs: Programs, engine: AsyncEngine) -> None:
    """--wait prints what became of each message; its status says whether one was parked, or nothing was heard."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    await declared(programs)
    one = ("publish", "--source", "web", "--external-id", "7", "--message-id", "m-1", "--wait")
    early = await cli(programs, *one, "--timeout", "0.2")
    assert (early.status, "m-1: no outcome yet" in early.err) == (3, True)
    worker = await programs.start("worker")
    await worker.until_ready()
    said = await cli(programs, *one)
    assert (said.status, said.err.count("no outcome")) == (0, 0)
    assert said.out.splitlines()[-1].startswith("m-1: contact.assigned → Olga (weighted_random) ")
    lines = [
        {"message_id": "m-2", "source": "web", "lead": {"external_id": "8"}},
        {"message_id": "m-2", "source": "web", "lead": {"external_id": "8"}},
        {"message_id": "m-3", "source": "fax", "lead": {"external_id": "8"}},
        {"message_id": "c-1", "type": "contact.close", "body": {"source": "web", "message_id": "m-1"}},
    ]
    many = await cli(programs, "publish", "--wait", "--file", "-", stdin="\n".join(map(json.dumps, lines)))
    told = [line.split("Olga")[0].rsplit(" ", 1)[0] if "Olga" in line else line for line in many.out.splitlines()[1:]]
    assert (many.status, told[:2]) == (1, ["m-2: contact.assigned →", "m-2: contact.assigned →"])
    assert told[2].startswith("m-3: parked as unknown_source: ")
    assert told[3] == "c-1: contact.closed →"
    assert await worker.stop() == 0


@pytest.mark.parametrize(
    "arguments", [("watch", "--since", "1h"), ("watch", "--since", "1h", "--json"), ("parked", "list")]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_reader_that_has_seen_enough(
    programs: Programs, engine: AsyncEngine, arguments: tuple[str, ...]
) -> None:
    """`… | head`: no word about it, and the status that shells show of a program ended by SIGPIPE."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    await take(engine, [sent("m-1", source="web"), Incoming(b"{", message_id="m-2")])
    topology = await declared(programs)
    async with aiormq.connect(programs.settings["AMQP_URL"]) as connection:
        channel = await connection.channel()
        for event in await all_events(engine):
            await channel.basic_publish(json.dumps(event).encode(), exchange=topology.assignments)
    reading, writing = os.pipe()
    os.close(reading)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker.cli.main",
        *arguments,
        cwd=programs.folder,
        env=app_environment(programs.settings),
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, err = await child.communicate()
    said = [line for line in err.splitlines() if b": looked at " not in line]
    assert (child.returncode, said) == (128 + signal.SIGPIPE, [])


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (("watch", "--type", "nope"), TYPES),
        (("watch", "--type", "contact.parked"), TYPES),
        (("parked", "list", "--state", "bogus"), STATES),
        (("parked", "list", "--code", "bogus"), ParkedCode),
        (("parked", "replay", "--code", "bogus"), ParkedCode),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_word_that_is_not_known(programs: Programs, arguments: tuple[str, ...], known: Iterable[str]) -> None:
    """An option with a closed set of values refuses others, and names those that it takes."""
    answer = await cli(programs, *arguments)
    words = " ".join(answer.err.replace("│", " ").split())
    assert (answer.status, [word for word in known if str(word) not in words]) == (2, [])
