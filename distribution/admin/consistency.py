"""Counters against the truth they count: what differs, and its repair."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.load_correction import correct_loads
from distribution.audit import Action, record
from distribution.ids import first_id_at, isoformat, time_of
from distribution.optimistic_locking import Actor
from distribution.selection.decision_record import picked_again
from distribution.selection.strategies import Pick
from distribution.store import consistency, decisions
from distribution.store.database import Database
from distribution.store.operator_pool import lock_pool, servable_sources

MAX_LISTED = 20
READ_AT_ONCE = 10_000
MENDED_AT_ONCE = 100
LATE_AFTER = timedelta(minutes=5)
REPLAYED_BATCHES = 100
"""So many of the newest transactions have their picks made again: enough to show that what is kept explains them."""


class Kind(StrEnum):
    """What differs from what."""

    LOAD = "load"
    SEQUENCE = "sequence"
    HISTORY = "history"
    OUTBOX = "outbox"
    UNPUBLISHED = "unpublished"
    WAITING = "waiting"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `object`: its kind and id; `repairable`: whether `repair` can mend it."""

    kind: Kind
    object: str
    detail: str
    repairable: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The first of each kind, and how many there are in all."""

    findings: list[Finding]
    total: int


async def check(conn: AsyncConnection, now: datetime | None = None) -> Report:
    """Everything that differs, read in one snapshot that the caller opened."""
    moment = now or datetime.now(UTC)
    parts = [await _loads(conn), await _sequences(conn), await _events(conn), await _late(conn, moment)]
    parts += [await _waiting(conn), await _decisions(conn)]
    return Report([finding for part in parts for finding in part.findings], sum(part.total for part in parts))


async def repair(database: Database, who: Actor) -> int:
    """Repair loads and sequences in transactions of its own; returns how many. Each repair is audited.

    What is wrong is found without locks; a few objects at a time are then locked, looked at again and mended, so that
    work goes on beside it. Waiting contacts beside a free place are served afterwards by `assign_waiting`.
    """
    async with database.snapshot() as conn:
        suspected = [operator_id for operator_id, *_ in await consistency.wrong_loads(conn)]
    mended = 0
    for operator_id in suspected:
        mended += await database.run(partial(_mend_load, operator_id, who))
    return mended + await _repair_sequences(database, who)


async def _repair_sequences(database: Database, who: Actor) -> int:
    mended = 0
    while True:
        async with database.snapshot() as conn:
            suspected = await consistency.mendable_sequences(conn, READ_AT_ONCE)
        for start in range(0, len(suspected), MENDED_AT_ONCE):
            some = suspected[start : start + MENDED_AT_ONCE]
            mended += await database.run(partial(_mend_sequences, some, who))
        if len(suspected) < READ_AT_ONCE:
            return mended


async def _mend_load(operator_id: int, who: Actor, conn: AsyncConnection) -> int:
    pool = await lock_pool(conn, operator_ids=[operator_id])
    return await correct_loads(conn, pool, pool.operators.keys() & {operator_id}, who)


async def _mend_sequences(ids: Collection[UUID], who: Actor, conn: AsyncConnection) -> int:
    await lock_pool(conn, ids=await consistency.sources_of(conn, ids))
    mended = await consistency.mend_sequences(conn, ids)
    for contact_id, before, after in mended:
        await record(conn, who, Action.CONTACT_REPAIRED, contact_id, {"sequence": before}, {"sequence": after})
    return len(mended)


async def _loads(conn: AsyncConnection) -> Report:
    rows = await consistency.wrong_loads(conn)
    return Report(
        [
            Finding(Kind.LOAD, f"operator {id_}", f"{name} has load {load} and {counted} active contacts", True)
            for id_, name, load, counted in rows[:MAX_LISTED]
        ],
        len(rows),
    )


async def _sequences(conn: AsyncConnection) -> Report:
    rows = await consistency.wrong_sequences(conn, MAX_LISTED)
    findings = []
    for contact_id, sequence, number, last, _ in rows:
        if number == last and last:
            detail = f"has sequence {sequence}, its history ends with {last}"
            findings.append(Finding(Kind.SEQUENCE, f"contact {contact_id}", detail, True))
        else:
            detail = f"has sequence {sequence} and {number} entries of history up to {last}: some are missing"
            findings.append(Finding(Kind.HISTORY, f"contact {contact_id}", detail, False))
    return Report(findings, rows[0][-1] if rows else 0)


async def _events(conn: AsyncConnection) -> Report:
    rows = await consistency.baseless_events(conn, MAX_LISTED)
    findings = [
        Finding(Kind.OUTBOX, f"event {id_}", f"tells of a change that contact {contact_id} never had", False)
        for id_, contact_id, _ in rows
    ]
    return Report(findings, rows[0][-1] if rows else 0)


async def _late(conn: AsyncConnection, now: datetime) -> Report:
    rows = await consistency.unpublished_since(conn, first_id_at(now - LATE_AFTER), MAX_LISTED)
    findings = [
        Finding(Kind.UNPUBLISHED, f"event {id_}", f"{kind} of {isoformat(time_of(id_))} is not published yet", False)
        for id_, kind, _ in rows
    ]
    return Report(findings, rows[0][-1] if rows else 0)


async def _waiting(conn: AsyncConnection) -> Report:
    sources = await servable_sources(conn)
    findings = [
        Finding(Kind.WAITING, f"source {id_}", "contacts wait although an operator has a free place for them", True)
        for id_ in sources[:MAX_LISTED]
    ]
    return Report(findings, len(sources))


async def _decisions(conn: AsyncConnection) -> Report:
    findings = []
    for batch_id, source_id, record_ in await decisions.newest_records(conn, REPLAYED_BATCHES):
        for position, was, again in picked_again(record_, source_id):
            if was != again:
                detail = f"step {position} picked {_shown(was)}, and its kept data gives {_shown(again)}"
                findings.append(Finding(Kind.DECISION, f"batch {batch_id}", detail, False))
    return Report(findings[:MAX_LISTED], len(findings))


def _shown(chosen: Pick) -> str:
    return chosen.reason if chosen.operator_id is None else f"operator {chosen.operator_id} ({chosen.reason})"
