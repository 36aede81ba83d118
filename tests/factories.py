"""Helpers of the tests: make messages, operators and sources, and read what the database holds afterwards."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.batch import BatchResult, process_batch
from distribution.intake.decoder import Decoder
from distribution.intake.process_commands import DecodedMessage
from distribution.intake.sender_rules import ANYBODY, SenderRules
from distribution.messages import CLOSE, Incoming, Submission, decode
from distribution.store.outbox import Claim
from distribution.store.tables import audit_log, contacts, operators, outbox, parked_messages, source_operators, sources
from distribution.store.transactions import reading, transaction

MAX_BYTES = 256 * 1024
SOURCE = "telegram-bot"


def body(external_id: str = "tg:1001", *, source: str = SOURCE, payload: object = None, **lead: Any) -> bytes:
    """The body of a `contact.submit`; further names are the lead's."""
    content = {"source": source, "lead": {"external_id": external_id} | lead, "payload": payload}
    return json.dumps(content).encode()


def message(key: str, external_id: str = "tg:1001", *, reply_to: str | None = None, **content: Any) -> Incoming:
    """A message as a bot sends it."""
    return Incoming(body(external_id, **content), message_id=key, reply_to=reply_to)


def closing(user: str | None = None, reply_to: str | None = None, **content: Any) -> Incoming:
    """A message that closes a contact."""
    close = Incoming(json.dumps(content, default=str).encode(), type=CLOSE, user_id=user, reply_to=reply_to)
    return as_sent(close)


def as_sent(incoming: Incoming) -> Incoming:
    """The same with the properties that a broker would deliver, from which a parked message is restored."""
    sent = {"message_id": incoming.message_id, "message_type": incoming.type}
    asked = {"user_id": incoming.user_id, "reply_to": incoming.reply_to}
    return replace(incoming, properties=sent | {name: value for name, value in asked.items() if value})


def messages(keys: Iterable[str], *, leads: int = 10, **content: Any) -> list[Incoming]:
    """Messages of `leads` leads in turn."""
    return [message(key, f"lead-{i % leads}", **content) for i, key in enumerate(keys)]


def arrival(incoming: Incoming, rules: SenderRules = ANYBODY) -> DecodedMessage:
    """The message, decoded."""
    return Decoder(MAX_BYTES, sender_rules=rules).decode(incoming)


def submission_of(incoming: Incoming, max_bytes: int = MAX_BYTES) -> Submission:
    """The submission decoded from a message."""
    command = decode(incoming, max_bytes)
    assert isinstance(command, Submission)
    return command


async def take(
    engine: AsyncEngine,
    batch: Sequence[Incoming],
    random: Random | None = None,
    claim: Claim | None = None,
    rules: SenderRules = ANYBODY,
) -> BatchResult:
    """Process one batch in one transaction."""
    async with transaction(engine) as conn:
        return await process_batch(conn, [arrival(m, rules) for m in batch], random or Random(20261123), claim)


async def make_operator(engine: AsyncEngine, name: str = "Olga", limit: int = 1000, *, active: bool = True) -> int:
    """An operator; returns its id."""
    row = {"name": name, "is_active": active, "max_active_contacts": limit, "created_at": datetime.now(UTC)}
    async with transaction(engine) as conn:
        return int((await conn.execute(sa.insert(operators).values(row).returning(operators.c.id))).scalar_one())


async def make_source(engine: AsyncEngine, weights: Mapping[int, int], code: str = SOURCE, **rules: Any) -> int:
    """A source with its operators' weights; returns its id."""
    usual = {"name": code, "strategy": "weighted_random", "sticky": False, "created_at": datetime.now(UTC)}
    new_source = sa.insert(sources).values(code=code, **(usual | rules)).returning(sources.c.id)
    async with transaction(engine) as conn:
        source_id = int((await conn.execute(new_source)).scalar_one())
        rows = [{"source_id": source_id, "operator_id": o, "weight": weight} for o, weight in weights.items()]
        if rows:
            await conn.execute(sa.insert(source_operators), rows)
    return source_id


async def open_source(
    engine: AsyncEngine, code: str, operators_with: Mapping[str, tuple[int, int]], **rules: Any
) -> dict[str, int]:
    """A source with new operators, by name: (weight, limit); returns the operators' ids by name."""
    ids = {name: await make_operator(engine, name, limit) for name, (_, limit) in operators_with.items()}
    weights = {ids[name]: weight for name, (weight, _) in operators_with.items()}
    await make_source(engine, weights, code, **rules)
    return ids


async def refuse_lead(engine: AsyncEngine, external_id: str) -> None:
    """Make the database refuse one lead, as a constraint of the installation would."""
    async with transaction(engine) as conn:
        if conn.dialect.name == "postgresql":
            await conn.execute(sa.text(f"ALTER TABLE leads ADD CHECK (external_id <> '{external_id}')"))
        else:
            await conn.execute(
                sa.text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON leads WHEN NEW.external_id = "
                    f"'{external_id}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )


async def change_operator(engine: AsyncEngine, operator_id: int, **values: object) -> None:
    """Change an operator directly in the database."""
    async with transaction(engine) as conn:
        await conn.execute(sa.update(operators).where(operators.c.id == operator_id).values(values))


async def all_contacts(engine: AsyncEngine) -> Sequence[sa.Row[Any]]:
    """Every contact, oldest first."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(contacts).order_by(contacts.c.id))).all()


async def all_parked(engine: AsyncEngine) -> Sequence[sa.Row[Any]]:
    """Every parked message, oldest first."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(parked_messages).order_by(parked_messages.c.id))).all()


async def all_events(engine: AsyncEngine) -> list[dict[str, Any]]:
    """Every event and reply in the outbox, oldest first."""
    async with reading(engine) as conn:
        return [json.loads(b) for b in await conn.scalars(sa.select(outbox.c.body).order_by(outbox.c.id))]


async def all_audited(engine: AsyncEngine) -> Sequence[sa.Row[Any]]:
    """Every row of the audit log, oldest first."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(audit_log).order_by(audit_log.c.id))).all()


async def count(engine: AsyncEngine, table: sa.Table) -> int:
    """How many rows a table has."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()


async def statuses(engine: AsyncEngine) -> dict[str, int]:
    """How many contacts there are of each status."""
    status = contacts.c.status
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(status, sa.func.count().label("number")).group_by(status))
    return {row.status: row.number for row in rows}


async def loads(engine: AsyncEngine) -> dict[int, int]:
    """Every operator's load, after checking it against its count of active contacts and its limit."""
    c, o = contacts.c, operators.c
    active = (
        sa.select(sa.func.count()).where(c.operator_id == o.id, c.status == "active").correlate(operators)
    ).scalar_subquery()
    async with reading(engine) as conn:
        rows = (await conn.execute(sa.select(o.id, o.load, active, o.max_active_contacts))).all()
    for operator_id, load, counted, limit in rows:
        assert load == counted, f"operator {operator_id} has the load {load} and {counted} active contacts"
        assert load <= limit, f"operator {operator_id} has {load} of {limit}"
    return {operator_id: load for operator_id, load, _, _ in rows}
