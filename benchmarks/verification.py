"""Checks that a candidate did its work right: a fast program that loses messages does not count."""

from collections import Counter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.candidates import naive
from benchmarks.environment import BenchmarkRun, CandidateError
from benchmarks.workload import Message
from distribution.store.engine import create_engine
from distribution.store.tables import contacts, operators, outbox, parked_messages
from distribution.store.transactions import reading


async def check(run: BenchmarkRun, messages: list[Message], contacts_before: int = 0) -> None:
    """Every message has one event and one contact, and every operator's load is correct; raises CandidateError.

    `contacts_before`: contacts that the database had before.
    """
    wrong = []
    event_counts = Counter(await run.correlations(len(messages)))
    if set(event_counts) != {message.message_id for message in messages}:
        wrong.append("events are not about the messages that were sent")
    if twice := [key for key, number in event_counts.items() if number > 1]:
        wrong.append(f"{len(twice)} messages have more than one event")
    if run.database_url:
        engine = create_engine(run.database_url)
        async with reading(engine) as conn:
            wrong += await (_naive if run.candidate.naive else _ours)(conn, contacts_before + len(messages))
        await engine.dispose()
    if wrong:
        raise CandidateError(f"{run.candidate.name}: {'; '.join(wrong)}")


async def _ours(conn: AsyncConnection, number: int) -> list[str]:
    active = (
        sa.select(sa.func.count())
        .where(contacts.c.operator_id == operators.c.id, contacts.c.status == "active")
        .scalar_subquery()
    )
    o = operators.c
    false_loads = sa.select(sa.func.count()).where(sa.or_(o.load != active, o.load > o.max_active_contacts))
    expected = {contacts: number, outbox: 0, parked_messages: 0}
    wrong = [
        f"{table.name} has {count} rows instead of {rows}"
        for table, rows in expected.items()
        if (count := await conn.scalar(sa.select(sa.func.count()).select_from(table))) != rows
    ]
    return wrong + ([f"{count} loads are false"] if (count := await conn.scalar(false_loads)) else [])


async def _naive(conn: AsyncConnection, number: int) -> list[str]:
    count = await conn.scalar(sa.select(sa.func.count()).select_from(naive.Contact))
    return [] if count == number else [f"{count} contacts instead of {number}"]
