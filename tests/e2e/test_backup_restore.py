"""As docs/operations.md says: a backup while the worker writes, a restore at a new place, the rest from the log."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from devservices.postgres import Postgres
from devservices.server_process import Program
from distribution.store import schema
from distribution.store.engine import create_engine, dispose
from distribution.store.tables import contacts, decisions, outbox, parked_messages
from distribution.store.transactions import reading
from tests.clients import PATIENCE_SECONDS, Bot, Event, bot_at, message
from tests.e2e.load import LIMITS, Load, under_load
from tests.e2e.programs import Programs
from tests.factories import count, loads, open_source
from tests.polling import until

LONG_BEFORE = 50
"""Fewer contacts than are made before the backup."""
Restore = Callable[[], Awaitable[str]]
"""Restores the backup at a new place; returns its address."""


@pytest.fixture(scope="module")
def server(own_postgres: Postgres) -> Postgres:
    """A PostgreSQL whose own tools are at hand."""
    return own_postgres


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["vacuum into", "backup"])
async def test_sqlite(
    programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker, tmp_path: Path, way: str
) -> None:
    """A SQLite file is backed up in either of SQLite's own ways, and works at another place."""
    kept = tmp_path / "backup.db"

    def copy() -> None:
        with closing(sqlite3.connect(str(sa.make_url(database_url).database))) as source:
            if way == "backup":
                with closing(sqlite3.connect(kept)) as target:
                    source.backup(target)
            else:
                source.execute("VACUUM INTO ?", (str(kept),))

    async def restore() -> str:
        return f"sqlite+aiosqlite:///{kept.rename(tmp_path / 'restored.db')}"

    await there_and_back(programs, engine, rabbitmq, lambda: asyncio.to_thread(copy), restore)


class TestPostgres:
    """The same with PostgreSQL's tools."""

    @pytest.fixture
    def database_url(self, server: Postgres) -> Iterator[str]:
        """A database on the server whose tools are at hand."""
        url = server.create_database()
        schema.upgrade(url)
        yield url
        server.drop_database(url)

    async def test_dump(
        self, programs: Programs, engine: AsyncEngine, database_url: str, server: Postgres, rabbitmq: Broker
    ) -> None:
        """A PostgreSQL database is dumped and restored into another one."""
        tools = server.server
        assert tools is not None
        folder = tools.folder if isinstance(tools, Program) else Path("/tmp")  # noqa: S108 - within its container
        kept = str(folder / "backup.dump")

        async def dump() -> None:
            await asyncio.to_thread(tools.run, "pg_dump", "-Fc", "-f", kept, "-d", for_tools(server, database_url))

        async def restore() -> str:
            url = server.create_database()
            into = ["--exit-on-error", "-d", for_tools(server, url), kept]
            await asyncio.to_thread(tools.run, "pg_restore", *into)
            return url

        await there_and_back(programs, engine, rabbitmq, dump, restore)


def for_tools(server: Postgres, url: str) -> str:
    """The address of a database as the server's own tools take it: in a container they stand beside the server."""
    made = sa.make_url(url).set(drivername="postgresql")
    if server.kind == "docker":
        made = made.set(host=None, port=None)
    return made.render_as_string(hide_password=False)


async def there_and_back(
    programs: Programs,
    engine: AsyncEngine,
    rabbitmq: Broker,
    back_up: Callable[[], Awaitable[None]],
    restore: Restore,
) -> None:
    """Back up under load, lose the database some time later, restore, and bring back what came in between."""
    await open_source(engine, "web", LIMITS)
    worker = await programs.start("worker")
    await worker.until_ready()
    async with under_load(programs, rabbitmq.url) as load:
        await load.more(100)
        await back_up()
        await load.more(100)
    assert await worker.stop() == 0
    url = await restore()
    restored = create_engine(url)
    try:
        await is_sound(restored, load)
        assert not await has_all(restored, load)
        await programs.start("worker", DATABASE_URL=url)
        async with bot_at(rabbitmq.url, programs.settings["BROKER_PREFIX"]) as bot:
            await bot.publish(message(submission(event), key_of(event)) for event in await logged(bot, load))
        await until(lambda: has_all(restored, load), PATIENCE_SECONDS)
        await is_sound(restored, load)
        assert await count(restored, parked_messages) == 0
    finally:
        await dispose(restored)


async def is_sound(restored: AsyncEngine, load: Load) -> None:
    """A restored database is one moment of the other: nothing half done, every counter right."""
    await schema.check(restored)
    assert await keys(restored) <= load.confirmed
    assert len(await keys(restored)) > LONG_BEFORE
    assert await loads(restored)
    last = sa.select(sa.func.max(decisions.c.sequence)).where(decisions.c.contact_id == contacts.c.id).scalar_subquery()
    async with reading(restored) as conn:
        assert not (await conn.execute(sa.select(contacts.c.id).where(contacts.c.sequence != last))).all()
        no_contact = outbox.c.contact_id.not_in(sa.select(contacts.c.id))
        assert not (await conn.execute(sa.select(outbox.c.id).where(no_contact))).all()


async def keys(engine: AsyncEngine) -> set[str]:
    """The keys of all contacts."""
    async with reading(engine) as conn:
        return set((await conn.execute(sa.select(contacts.c.message_id))).scalars())


async def has_all(engine: AsyncEngine, load: Load) -> bool:
    """Whether every confirmed message is a contact."""
    return await keys(engine) == load.confirmed


async def logged(bot: Bot, load: Load) -> list[Event]:
    """The first event of every contact, from the broker's log."""
    channel = await bot.connection.channel()
    await channel.set_qos(prefetch_count=100)
    log = await channel.declare_queue(f"{bot.prefix}assignments.log", passive=True)
    found: dict[str, Event] = {}
    complete = asyncio.Event()

    async def remember(delivery: AbstractIncomingMessage) -> None:
        if complete.is_set():
            return
        await delivery.ack()
        event = json.loads(delivery.body)
        if event["data"]["sequence"] == 1:
            found.setdefault(key_of(event), event)
        if found.keys() == load.confirmed:
            complete.set()

    await log.consume(remember, arguments={"x-stream-offset": "first"})
    async with asyncio.timeout(PATIENCE_SECONDS):
        await complete.wait()
    return list(found.values())


def key_of(event: Event) -> str:
    """The key of the submission that an event tells of."""
    return str(event["data"]["contact"]["message_id"])


def submission(event: Event) -> bytes:
    """The submission that an event tells of, once more."""
    data = event["data"]
    lead = {name: data["lead"][name] for name in ("external_id", "phone", "email")}
    return json.dumps({"source": data["source"]["code"], "lead": lead, "payload": data["payload"]}).encode()
