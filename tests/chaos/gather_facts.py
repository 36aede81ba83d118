"""Reads what the database and the broker hold after a run."""

from collections import Counter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.store.operator_pool import servable_sources
from distribution.store.tables import contacts, decisions, operators, outbox, parked_messages, sources
from distribution.store.transactions import reading
from tests.chaos import limit_trigger
from tests.chaos.bot import Bot
from tests.chaos.judge import ContactRow, DecisionRow, Facts, OperatorRow
from tests.chaos.reconnecting_channel import channel_at
from tests.chaos.subscriber import Subscriber

OPEN = ("deferred", "rejected")


async def gather(engine: AsyncEngine, bot: Bot, subscriber: Subscriber) -> Facts:
    """Collect the facts, once nothing changes any more."""
    async with reading(engine) as conn:
        facts = Facts(
            confirmed=bot.confirmed,
            sent=bot.sent,
            broken=bot.broken,
            contacts=await _contacts(conn),
            decisions=await _decisions(conn),
            heard=list(subscriber.heard.values()),
            operators=await _operators(conn),
            excesses=await limit_trigger.recorded(conn),
            parked=await parked(conn),
            outbox=await conn.scalar(sa.select(sa.func.count()).select_from(outbox)) or 0,
            servable=len(await servable_sources(conn)),
            expiring=bot.expiring,
            undelivered=await _undelivered(conn),
        )
    async with channel_at(bot.url, confirms=False) as channel:
        dead = await channel.queue_declare(f"{bot.prefix}contacts.dead", passive=True)
        facts.dead = dead.message_count or 0
    return facts


async def settled(engine: AsyncEngine, bot: Bot, subscriber: Subscriber, *, abused: bool) -> str:
    """Describe what still changes; empty once nothing does. `abused`: a full subscriber may delay its own events."""
    if not bot.idle:
        return f"the bot has {len(bot.queue)} messages to send"
    async with channel_at(bot.url, confirms=False) as channel:
        inbound = await channel.queue_declare(f"{bot.prefix}contacts.inbound.v1", passive=True)
        unheard = await channel.queue_declare(subscriber.queue, passive=True)
    if inbound.message_count or unheard.message_count:
        return f"queues hold {inbound.message_count} messages and {unheard.message_count} events"
    async with reading(engine) as conn:
        left = await conn.scalar(sa.select(sa.func.count()).select_from(outbox)) or 0
        delayed = await bot.hostile_parties.delayed(conn) if abused else 0
        deferred = (await parked(conn, ("deferred",))).total()
        changes = await conn.scalar(sa.select(sa.func.count()).select_from(decisions)) or 0
    if left > delayed or deferred or changes > len(subscriber.heard) + delayed:
        left_over = f"outbox {left}, delayed by the full subscriber {delayed}"
        return f"{left_over}, deferred {deferred}, heard {len(subscriber.heard)} of {changes} changes"
    return ""


async def parked(conn: AsyncConnection, states: tuple[str, ...] = OPEN) -> Counter[str]:
    """Parked messages in these states, by code; by default those not yet resolved."""
    p = parked_messages.c
    rows = await conn.execute(sa.select(p.code, sa.func.count()).where(p.state.in_(states)).group_by(p.code))
    return Counter({code: number for code, number in rows})  # noqa: C416 - a Row is no pair for dict()


async def _undelivered(conn: AsyncConnection) -> set[str]:
    p = parked_messages.c
    return {key for key in await conn.scalars(sa.select(p.message_id).where(p.code == "undelivered")) if key}


async def _contacts(conn: AsyncConnection) -> list[ContactRow]:
    c = contacts.c
    rows = await conn.execute(sa.select(c.id, sources.c.code, c.message_id, c.sequence).join(sources))
    return [ContactRow(str(id_), (code, message_id), sequence) for id_, code, message_id, sequence in rows]


async def _decisions(conn: AsyncConnection) -> list[DecisionRow]:
    d = decisions.c
    rows = await conn.execute(sa.select(d.event_id, d.contact_id, d.sequence))
    return [DecisionRow(str(event_id), str(contact_id), sequence) for event_id, contact_id, sequence in rows]


async def _operators(conn: AsyncConnection) -> list[OperatorRow]:
    o, c = operators.c, contacts.c
    counted = sa.select(sa.func.count()).where(c.operator_id == o.id, c.status == "active").scalar_subquery()
    rows = await conn.execute(sa.select(o.id, o.load, counted, o.max_active_contacts))
    return [OperatorRow(*row) for row in rows]
