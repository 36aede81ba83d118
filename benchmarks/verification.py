"""Whether a contestant did its work right: a fast one that loses something is no contestant."""

from collections import Counter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.candidates import naive
from benchmarks.environment import BenchmarkRun, CandidateError
from benchmarks.workload import Message
from distribution.store.engine import create_engine, reading
from distribution.store.tables import contacts, operators, outbox, parked_messages


async def check(ground: BenchmarkRun, letters: list[Message], there: int = 0) -> None:
    """Every message has one event and one contact, and every load is true; raises CandidateError.

    `there`: contacts that were there before.
    """
    wrong = []
    told = Counter(await ground.correlations(len(letters)))
    if set(told) != {letter.message_id for letter in letters}:
        wrong.append("events are not about the messages that were sent")
    if twice := [key for key, number in told.items() if number > 1]:
        wrong.append(f"{len(twice)} messages have more than one event")
    if ground.database_url:
        engine = create_engine(ground.database_url)
        async with reading(engine) as conn:
            wrong += await (_naive if ground.contestant.naive else _ours)(conn, there + len(letters))
        await engine.dispose()
    if wrong:
        raise CandidateError(f"{ground.contestant.name}: {'; '.join(wrong)}")


async def _ours(conn: AsyncConnection, number: int) -> list[str]:
    active = (
        sa.select(sa.func.count())
        .where(contacts.c.operator_id == operators.c.id, contacts.c.status == "active")
        .scalar_subquery()
    )
    o = operators.c
    false = sa.select(sa.func.count()).where(sa.or_(o.load != active, o.load > o.max_active_contacts))
    expected = {contacts: number, outbox: 0, parked_messages: 0}
    wrong = [
        f"{table.name} has {found} rows instead of {rows}"
        for table, rows in expected.items()
        if (found := await conn.scalar(sa.select(sa.func.count()).select_from(table))) != rows
    ]
    return wrong + ([f"{found} loads are false"] if (found := await conn.scalar(false)) else [])


async def _naive(conn: AsyncConnection, number: int) -> list[str]:
    found = await conn.scalar(sa.select(sa.func.count()).select_from(naive.Contact))
    return [] if found == number else [f"{found} contacts instead of {number}"]
