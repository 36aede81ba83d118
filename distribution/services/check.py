"""Counters against the truth they count: what differs, and its repair."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import first_id_at, isoformat, time_of
from distribution.services.audit import Action, note
from distribution.services.edits import Who
from distribution.store import recount
from distribution.store.pools import change_loads, lock_pool, servable_sources

SHOWN = 20
REPAIRED_AT_ONCE = 10_000
LATE = timedelta(minutes=5)


class Kind(StrEnum):
    """What differs from what."""

    LOAD = "load"
    SEQUENCE = "sequence"
    HISTORY = "history"
    OUTBOX = "outbox"
    UNPUBLISHED = "unpublished"
    WAITING = "waiting"


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
    parts.append(await _waiting(conn))
    return Report([finding for part in parts for finding in part.findings], sum(part.total for part in parts))


async def repair(conn: AsyncConnection, who: Who) -> int:
    """Mend loads and sequences under the locks of every source and operator; answers how many. Audited, each.

    Waiting contacts beside a free place are served afterwards by `serve_waiting`, as after any change.
    """
    await lock_pool(conn, operator_ids=await recount.all_operators(conn))
    loads = await recount.wrong_loads(conn)
    # What is active is active: a limit that it exceeds is somebody's decision, not the counter's.
    await change_loads(
        conn,
        {operator_id: counted - load for operator_id, _, load, counted in loads},
        forced=[operator_id for operator_id, *_ in loads],
    )
    for operator_id, _, load, counted in loads:
        await note(conn, who, Action.OPERATOR_REPAIRED, operator_id, {"load": load}, {"load": counted})
    mended = 0
    for contact_id, sequence, number, last, _ in await recount.wrong_sequences(conn, REPAIRED_AT_ONCE):
        if number == last and last:
            await recount.set_sequence(conn, contact_id, last)
            await note(conn, who, Action.CONTACT_REPAIRED, contact_id, {"sequence": sequence}, {"sequence": last})
            mended += 1
    return len(loads) + mended


async def _loads(conn: AsyncConnection) -> Report:
    rows = await recount.wrong_loads(conn)
    return Report(
        [
            Finding(Kind.LOAD, f"operator {id_}", f"{name} has load {load} and {counted} active contacts", True)
            for id_, name, load, counted in rows[:SHOWN]
        ],
        len(rows),
    )


async def _sequences(conn: AsyncConnection) -> Report:
    rows = await recount.wrong_sequences(conn, SHOWN)
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
    rows = await recount.baseless_events(conn, SHOWN)
    findings = [
        Finding(Kind.OUTBOX, f"event {id_}", f"tells of a change that contact {contact_id} never had", False)
        for id_, contact_id, _ in rows
    ]
    return Report(findings, rows[0][-1] if rows else 0)


async def _late(conn: AsyncConnection, now: datetime) -> Report:
    rows = await recount.unpublished_since(conn, first_id_at(now - LATE), SHOWN)
    findings = [
        Finding(Kind.UNPUBLISHED, f"event {id_}", f"{kind} of {isoformat(time_of(id_))} is not published yet", False)
        for id_, kind, _ in rows
    ]
    return Report(findings, rows[0][-1] if rows else 0)


async def _waiting(conn: AsyncConnection) -> Report:
    sources = await servable_sources(conn)
    findings = [
        Finding(Kind.WAITING, f"source {id_}", "contacts wait although an operator has a free place for them", True)
        for id_ in sources[:SHOWN]
    ]
    return Report(findings, len(sources))
