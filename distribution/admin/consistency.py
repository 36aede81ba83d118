"""Compares counters with the rows they count, and repairs differences."""

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
REPAIRED_AT_ONCE = 100
LATE_AFTER = timedelta(minutes=5)
REPLAYED_BATCHES = 100
"""How many of the newest transactions have their picks repeated: enough to show that the stored data explains them."""


class FindingKind(StrEnum):
    """The kinds of difference."""

    LOAD = "load"
    SEQUENCE = "sequence"
    HISTORY = "history"
    OUTBOX = "outbox"
    UNPUBLISHED = "unpublished"
    WAITING = "waiting"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `object`: its kind and id; `repairable`: whether a command can repair it."""

    kind: FindingKind
    object: str
    detail: str
    repairable: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The first findings of each kind, and how many there are in all."""

    findings: list[Finding]
    total: int


async def check(conn: AsyncConnection, now: datetime | None = None) -> Report:
    """Returns all differences, read in one snapshot that the caller opened."""
    moment = now or datetime.now(UTC)
    parts = [await _loads(conn), await _sequences(conn), await _events(conn), await _late(conn, moment)]
    parts += [await _waiting(conn), await _decisions(conn)]
    return Report([finding for part in parts for finding in part.findings], sum(part.total for part in parts))


async def repair(database: Database, actor: Actor) -> int:
    """Repair loads and sequences in transactions of its own; returns how many. Each repair is audited.

    Differences are found without locks; a few objects at a time are then locked, checked again and repaired, so that
    other work goes on. Waiting contacts despite a free place are left to `assign_waiting`.
    """
    async with database.snapshot() as conn:
        suspected = [operator_id for operator_id, *_ in await consistency.wrong_loads(conn)]
    repaired = 0
    for operator_id in suspected:
        repaired += await database.run(partial(_repair_load, operator_id, actor))
    return repaired + await _repair_sequences(database, actor)


async def _repair_sequences(database: Database, actor: Actor) -> int:
    repaired = 0
    while True:
        async with database.snapshot() as conn:
            suspected = await consistency.repairable_sequences(conn, READ_AT_ONCE)
        for start in range(0, len(suspected), REPAIRED_AT_ONCE):
            chunk = suspected[start : start + REPAIRED_AT_ONCE]
            repaired += await database.run(partial(_repair_some_sequences, chunk, actor))
        if len(suspected) < READ_AT_ONCE:
            return repaired


async def _repair_load(operator_id: int, actor: Actor, conn: AsyncConnection) -> int:
    pool = await lock_pool(conn, operator_ids=[operator_id])
    return await correct_loads(conn, pool, pool.operators.keys() & {operator_id}, actor)


async def _repair_some_sequences(ids: Collection[UUID], actor: Actor, conn: AsyncConnection) -> int:
    await lock_pool(conn, ids=await consistency.sources_of(conn, ids))
    repaired = await consistency.repair_sequences(conn, ids)
    for contact_id, before, after in repaired:
        await record(conn, actor, Action.CONTACT_REPAIRED, contact_id, {"sequence": before}, {"sequence": after})
    return len(repaired)


async def _loads(conn: AsyncConnection) -> Report:
    rows = await consistency.wrong_loads(conn)
    return Report(
        [
            Finding(FindingKind.LOAD, f"operator {id_}", f"{name} has load {load} and {counted} active contacts", True)
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
            findings.append(Finding(FindingKind.SEQUENCE, f"contact {contact_id}", detail, True))
        else:
            detail = f"has sequence {sequence} and {number} entries of history up to {last}: some are missing"
            findings.append(Finding(FindingKind.HISTORY, f"contact {contact_id}", detail, False))
    return Report(findings, rows[0][-1] if rows else 0)


async def _events(conn: AsyncConnection) -> Report:
    rows = await consistency.events_without_change(conn, MAX_LISTED)
    findings = [
        Finding(FindingKind.OUTBOX, f"event {id_}", f"tells of a change that contact {contact_id} never had", False)
        for id_, contact_id, _ in rows
    ]
    return Report(findings, rows[0][-1] if rows else 0)


async def _late(conn: AsyncConnection, now: datetime) -> Report:
    rows = await consistency.unpublished_since(conn, first_id_at(now - LATE_AFTER), MAX_LISTED)
    findings = []
    for id_, kind, _ in rows:
        detail = f"{kind} of {isoformat(time_of(id_))} is not published yet"
        findings.append(Finding(FindingKind.UNPUBLISHED, f"event {id_}", detail, False))
    return Report(findings, rows[0][-1] if rows else 0)


async def _waiting(conn: AsyncConnection) -> Report:
    sources = await servable_sources(conn)
    detail = "contacts wait although an operator has a free place for them"
    findings = [Finding(FindingKind.WAITING, f"source {id_}", detail, True) for id_ in sources[:MAX_LISTED]]
    return Report(findings, len(sources))


async def _decisions(conn: AsyncConnection) -> Report:
    findings = []
    async for batch_id, source_id, batch_record in decisions.newest_records(conn, REPLAYED_BATCHES):
        for position, original, repeated in picked_again(batch_record, source_id):
            if original != repeated:
                detail = f"step {position} picked {_describe(original)}, and its kept data gives {_describe(repeated)}"
                findings.append(Finding(FindingKind.DECISION, f"batch {batch_id}", detail, False))
    return Report(findings[:MAX_LISTED], len(findings))


def _describe(chosen: Pick) -> str:
    return chosen.reason if chosen.operator_id is None else f"operator {chosen.operator_id} ({chosen.reason})"
