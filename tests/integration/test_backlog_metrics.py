"""The backlog as gauges: what waits, what is parked, what is not published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import httpx2
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from admin_api.app import create_app
from admin_api.http.app_context import Context
from distribution.admin import sources
from distribution.backlog_metrics import BacklogGauges
from distribution.intake.replay import drop
from distribution.messages import Incoming
from distribution.optimistic_locking import Actor, Edit
from distribution.store.database import Database
from distribution.store.engine import create_engine
from distribution.store.tables import outbox
from distribution.store.transactions import transaction
from tests.factories import all_parked, make_operator, make_source, message, messages, take
from tests.integration.api_client import ORIGIN, TOKENS, client
from tests.polling import until

EDIT = Edit(Actor("admin"))
CLOSE = Incoming(b'{"source": "web", "message_id": "never"}', message_id="c", type="contact.close")
NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/none"


class Board:
    """The gauges as a registry shows them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.gauges = BacklogGauges(Database(engine, Random(1)), every_seconds=0.01)
        self._registry = CollectorRegistry()
        self._registry.register(self.gauges)

    def value(self, name: str, **labels: str) -> float | None:
        """One value; None if there is no such series."""
        return self._registry.get_sample_value(f"contacts_{name}", labels)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read again and again meanwhile."""
        stopping = asyncio.Event()
        work = asyncio.create_task(self.gauges.run(stopping))
        yield
        stopping.set()
        await asyncio.wait_for(work, 10)


async def some_backlog(engine: AsyncEngine) -> None:
    """Web has three that wait, idle has none; two messages are parked as rejected, one is deferred."""
    await make_source(engine, {await make_operator(engine, limit=1): 1}, "web")
    await make_source(engine, {}, "idle")
    await take(engine, messages((f"m{n}" for n in range(4)), source="web"))
    await take(engine, [message(f"p{n}", source="fax") for n in range(2)] + [CLOSE])


async def test_gauges_tell_what_has_still_to_be_done(engine: AsyncEngine) -> None:
    """Numbers by source, by code and state; ages of the oldest, which are 0 if there is none."""
    board = Board(engine)
    assert board.value("outbox_pending") is None
    await some_backlog(engine)
    await board.gauges.read()
    assert (board.value("waiting", source="web"), board.value("waiting", source="idle")) == (3, 0)
    assert board.value("parked", code="unknown_source", state="rejected") == 2
    assert board.value("parked", code="unknown_contact", state="deferred") == 1
    assert board.value("outbox_pending") == 4
    for name, labels in (("waiting_oldest_seconds", {"source": "web"}), ("outbox_oldest_seconds", {})):
        age = board.value(name, **labels)
        assert age is not None
        assert 0 < age < 60
        later = board.value(name, **labels)
        assert later is not None
        assert later > age, "an age grows without another reading"
    assert board.value("waiting_oldest_seconds", source="idle") == 0


async def test_what_is_gone_has_no_series(engine: AsyncEngine) -> None:
    """A source that was deleted, a code whose messages are done with, an outbox that is empty."""
    await some_backlog(engine)
    board = Board(engine)
    await board.gauges.read()
    idle = 2
    async with transaction(engine) as conn:
        await sources.delete(conn, idle, EDIT)
        for row in await all_parked(engine):
            if row.state == "rejected":
                await drop(conn, row.id)
        await conn.execute(sa.delete(outbox))
    await board.gauges.read()
    assert board.value("waiting", source="idle") is None
    assert board.value("waiting_oldest_seconds", source="idle") is None
    assert board.value("parked", code="unknown_source", state="rejected") is None
    assert board.value("parked", code="unknown_contact", state="deferred") == 1
    assert (board.value("outbox_pending"), board.value("outbox_oldest_seconds")) == (0, 0)


async def test_a_database_in_trouble_leaves_the_last_figures(engine: AsyncEngine) -> None:
    """They are said to grow old, which is logged once; afterwards they are read again."""
    await some_backlog(engine)
    board = Board(engine)
    await board.gauges.read()
    async with transaction(engine) as conn:
        await conn.execute(sa.text("ALTER TABLE outbox RENAME TO elsewhere"))
    with capture_logs() as logged:
        async with board.running():
            await until(lambda: _true(bool(logged)))
            assert board.value("waiting", source="web") == 3
            before = board.value("gauges_age_seconds")
            assert before is not None
            await until(lambda: _true((board.value("gauges_age_seconds") or 0) > before + 0.1))
            async with transaction(engine) as conn:
                await conn.execute(sa.text("ALTER TABLE elsewhere RENAME TO outbox"))
                await conn.execute(sa.delete(outbox))
            await until(lambda: _true(board.value("outbox_pending") == 0))
    assert [line["event"] for line in logged] == ["gauges_not_read"]


async def test_a_database_that_is_not_there_ends_nothing() -> None:
    """There is nothing to show, and stopping works."""
    unreachable = create_engine(NOWHERE)
    board = Board(unreachable)
    with capture_logs() as logged:
        async with board.running():
            await until(lambda: _true(bool(logged)))
    assert board.value("outbox_pending") is None
    await unreachable.dispose()


async def test_stats_have_the_same_backlog(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Open parked messages by code and state, and the outbox with its oldest row; nothing while there is none."""
    nothing = (await admin.get("/stats")).json()
    assert (nothing["parked"], nothing["outbox"]) == ([], {"rows": 0, "oldest": None})
    await some_backlog(engine)
    stats = (await admin.get("/stats")).json()
    assert stats["parked"] == [
        {"code": "unknown_contact", "state": "deferred", "count": 1},
        {"code": "unknown_source", "state": "rejected", "count": 2},
    ]
    assert stats["outbox"]["rows"] == 4
    assert stats["outbox"]["oldest"] <= stats["time"]
    [path] = [f"/parked/{row.id}" for row in await all_parked(engine) if row.message_id == "p0"]
    await admin.delete(path)
    assert [line["count"] for line in (await admin.get("/stats")).json()["parked"]] == [1, 1]


async def test_the_api_shows_the_gauges(engine: AsyncEngine, context: Context) -> None:
    """They are there while it runs, without anybody asking the database for them."""
    await some_backlog(engine)
    app = create_app(context)
    async with client(app, TOKENS["admin"]) as admin:

        async def lines() -> list[str]:
            return (await admin.get(f"{ORIGIN}/metrics")).text.splitlines()

        async def shown() -> bool:
            return 'contacts_waiting{source="web"} 3.0' in await lines()

        async with app.router.lifespan_context(app):
            await until(shown)
        assert not any(line.startswith("contacts_waiting") for line in await lines())


async def _true(value: bool) -> bool:
    return value
