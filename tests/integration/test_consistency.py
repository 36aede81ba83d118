"""`check` finds what differs from the truth, and nothing else; `repair` mends counters, audited."""

import asyncio
import json
from random import Random
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.admin.consistency import REPAIRED_AT_ONCE, FindingKind, Report, check, repair
from distribution.ids import new_id
from distribution.optimistic_locking import Actor
from distribution.store.database import Database
from distribution.store.engine import create_engine
from distribution.store.operator_pool import lock_pool
from distribution.store.outbox import Publication, insert
from distribution.store.tables import audit_log, contacts, decisions, operators, outbox, rosters
from distribution.store.transactions import reading, snapshot, transaction
from tests.factories import make_operator, make_source, messages, take

WHO = Actor("shell", "olga")


async def checked(engine: AsyncEngine) -> Report:
    """The report of one snapshot."""
    async with snapshot(engine) as conn:
        return await check(conn)


async def kinds(engine: AsyncEngine) -> list[tuple[FindingKind, bool]]:
    """What differs, and whether it can be mended."""
    return [(finding.kind, finding.repairable) for finding in (await checked(engine)).findings]


async def change(engine: AsyncEngine, *statements: sa.Executable) -> None:
    """Spoil something."""
    async with transaction(engine) as conn:
        for statement in statements:
            await conn.execute(statement)


@pytest.fixture
async def desk(engine: AsyncEngine, random: Random) -> AsyncEngine:
    """Two operators with contacts, and events in the outbox."""
    olga, ivan = await make_operator(engine, "Olga"), await make_operator(engine, "Ivan")
    await make_source(engine, weights={olga: 1, ivan: 2})
    await take(engine, messages(f"m-{n}" for n in range(30)), random)
    return engine


async def test_nothing_differs_where_nothing_was_spoilt(desk: AsyncEngine) -> None:
    """A database that only we wrote to has no findings."""
    assert await checked(desk) == Report([], 0)


async def test_a_wrong_load_is_found_and_mended(desk: AsyncEngine, random: Random) -> None:
    """Too high or too low: the report says both numbers, the repair makes it true, the audit has before and after."""
    await change(desk, sa.update(operators).values(load=operators.c.load + 3))
    report = await checked(desk)
    assert ([finding.kind for finding in report.findings], report.total) == ([FindingKind.LOAD, FindingKind.LOAD], 2)
    assert await repair(Database(desk, random), WHO) == 2
    assert await checked(desk) == Report([], 0)
    async with reading(desk) as conn:
        rows = (await conn.execute(sa.select(audit_log.c.action, audit_log.c.role, audit_log.c.name))).all()
    assert [tuple(row) for row in rows] == [("operator.repaired", "shell", "olga")] * 2


async def test_a_load_over_the_limit_is_the_truth_where_it_was_counted(desk: AsyncEngine, random: Random) -> None:
    """What is active stays active: the repair tells the truth even where it exceeds a limit."""
    await change(desk, sa.update(operators).values(max_active_contacts=1, load=0))
    await repair(Database(desk, random), WHO)
    async with reading(desk) as conn:
        assert await conn.scalar(sa.select(sa.func.sum(operators.c.load))) == 30


async def test_a_wrong_sequence_is_mended_and_a_lost_history_is_told(desk: AsyncEngine, random: Random) -> None:
    """A contact's number follows from its history; a history with a hole cannot be made up."""
    async with reading(desk) as conn:
        one, other = (await conn.scalars(sa.select(contacts.c.id).order_by(contacts.c.id).limit(2))).all()
    await change(
        desk,
        sa.update(contacts).where(contacts.c.id == one).values(sequence=5),
        sa.delete(outbox),
        sa.delete(decisions).where(decisions.c.contact_id == other),
    )
    assert sorted(await kinds(desk)) == [(FindingKind.HISTORY, False), (FindingKind.SEQUENCE, True)]
    assert await repair(Database(desk, random), WHO) == 1
    assert await kinds(desk) == [(FindingKind.HISTORY, False)]


async def test_a_decision_that_its_kept_data_does_not_explain_is_found(desk: AsyncEngine) -> None:
    """With other weights at its start the same draws give other operators."""
    async with reading(desk) as conn:
        roster = json.loads(await conn.scalar(sa.select(rosters.c.body)) or "")
    [source] = roster["sources"]
    source[-1] = [[operator_id, 10_000 if n == 0 else 1] for n, (operator_id, _) in enumerate(source[-1])]
    await change(desk, sa.update(rosters).values(body=json.dumps(roster)))
    assert set(await kinds(desk)) == {(FindingKind.DECISION, False)}


async def test_an_event_without_its_change_is_found(desk: AsyncEngine) -> None:
    """An outbox row of a contact that does not exist tells the world of nothing."""
    event = new_id()
    row = Publication(event, uuid4(), 1, str(event), "contact.assigned", "k", False, None, None, b"{}")
    async with transaction(desk) as conn:
        await insert(conn, [row], None)
    assert await kinds(desk) == [(FindingKind.OUTBOX, False)]


async def test_an_event_that_does_not_leave_is_seen(desk: AsyncEngine) -> None:
    """What is in the outbox for more than five minutes is a finding."""
    async with reading(desk) as conn:
        old = await conn.scalar(sa.select(outbox.c.id).limit(1))
    await change(
        desk,
        sa.delete(outbox).where(outbox.c.id != old),
        sa.update(outbox).values(id=UUID("01890000-0000-7000-8000-000000000000")),
    )
    assert FindingKind.UNPUBLISHED in {kind for kind, _ in await kinds(desk)}


async def test_a_contact_that_waits_beside_a_free_place_is_found(desk: AsyncEngine) -> None:
    """Nobody may wait while somebody could take it."""
    async with reading(desk) as conn:
        one = await conn.scalar(sa.select(contacts.c.id).limit(1))
    await change(desk, sa.update(contacts).where(contacts.c.id == one).values(status="waiting", operator_id=None))
    assert {FindingKind.WAITING, FindingKind.LOAD} == {kind for kind, _ in await kinds(desk)}


async def test_a_busy_database_has_no_findings(desk: AsyncEngine, random: Random) -> None:
    """A check beside running work sees one moment: it finds nothing that is not there."""

    async def work() -> None:
        for batch in range(20):
            await take(desk, messages(f"b-{batch}-{n}" for n in range(20)), random)

    working = asyncio.create_task(work())
    reports = []
    while not working.done():
        reports.append(await checked(desk))
    await working
    assert reports
    assert all(report == Report([], 0) for report in reports)


async def test_nothing_is_locked_where_nothing_is_wrong(desk: AsyncEngine, database_url: str, random: Random) -> None:
    """The counting goes on beside somebody who holds every lock."""
    counting = create_engine(database_url)
    async with transaction(desk) as conn:
        await lock_pool(conn, operator_ids=await ids_of_operators(desk))
        async with asyncio.timeout(5):
            assert await repair(Database(counting, random), WHO) == 0
    await counting.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_only_what_is_wrong_is_locked(desk: AsyncEngine, random: Random) -> None:
    """An operator of another team is mended while this team's locks are held."""
    petr = await make_operator(desk, "Petr")
    await make_source(desk, {petr: 1}, "other")
    await change(desk, sa.update(operators).where(operators.c.id == petr).values(load=3))
    others = [id_ for id_ in await ids_of_operators(desk) if id_ != petr]
    async with transaction(desk) as conn:
        await lock_pool(conn, operator_ids=others)
        async with asyncio.timeout(5):
            assert await repair(Database(desk, random), WHO) == 1
    assert await checked(desk) == Report([], 0)


async def test_many_wrong_sequences_are_mended_beside_work(desk: AsyncEngine, random: Random) -> None:
    """In several transactions, while messages are taken; nothing is missed and nothing is spoilt."""
    for batch in range(3):
        await take(desk, messages(f"s-{batch}-{n}" for n in range(REPAIRED_AT_ONCE)), random)
    await change(desk, sa.update(contacts).values(sequence=7), sa.update(operators).values(load=0))

    async def work() -> None:
        for batch in range(10):
            await take(desk, messages(f"w-{batch}-{n}" for n in range(20)), random)

    working = asyncio.create_task(work())
    assert await repair(Database(desk, random), WHO) == 3 * REPAIRED_AT_ONCE + 30 + 2
    await working
    assert await checked(desk) == Report([], 0)


async def ids_of_operators(engine: AsyncEngine) -> list[int]:
    """All of them."""
    async with reading(engine) as conn:
        return list(await conn.scalars(sa.select(operators.c.id)))
