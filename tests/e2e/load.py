"""A bot that goes on and on while something breaks, what a worker says of itself meanwhile, and the reckoning."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import contacts, outbox, parked_messages
from distribution.store.transactions import reading
from tests.clients import PATIENCE_SECONDS, Bot, Event, Subscriber, body, bot_at, message, subscribe
from tests.e2e.programs import Process, Programs
from tests.factories import count, loads
from tests.polling import until

TOGETHER = 10
PAUSE_SECONDS = 0.05
LIMITS = {"A": (1, 700), "B": (2, 900)}
"""Weights and limits that leave some contacts waiting."""


def long_or(seconds: float) -> float:
    """How long something stays broken: as a long run has it (DATABASE_OUTAGE_SECONDS), else as the test does."""
    return float(os.environ.get("DATABASE_OUTAGE_SECONDS", seconds))


async def stay_broken(seconds: float = 0.5) -> None:
    """Leave something broken for as long as this run has it: how long an outage lasts is what is tested."""
    await asyncio.sleep(long_or(seconds))


def often_or(times: int) -> int:
    """How often something breaks: as a long run has it (DATABASE_OUTAGES), else as the test does."""
    return int(os.environ.get("DATABASE_OUTAGES", times))


@dataclass
class Load:
    """A bot that publishes until it is told to stop, and what the subscriber heard."""

    bot: Bot
    subscriber: Subscriber
    confirmed: set[str] = field(default_factory=set)
    dead: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self) -> None:
        """A few messages at a time, a tenth of them sent twice; remembers what the broker confirmed."""
        while not self.stopping.is_set():
            first = len(self.confirmed)
            keys = [f"k-{number}" for number in range(first, first + TOGETHER)]
            await self.bot.publish(message(body("web", f"w:{key}"), key) for key in [*keys, keys[0]])
            self.confirmed.update(keys)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), PAUSE_SECONDS)

    async def more(self, number: int) -> None:
        """Wait until so many more have been confirmed and told of."""
        goal = len(self.subscriber.events) + number
        await self.subscriber.count(goal)


@asynccontextmanager
async def under_load(programs: Programs, amqp_url: str) -> AsyncIterator[Load]:
    """A bot and a subscriber at work; the bot stops at the end of the block."""
    prefix = programs.settings["BROKER_PREFIX"]
    async with bot_at(amqp_url, prefix) as bot:
        load = Load(bot, await subscribe(bot.channel, prefix))
        publishing = asyncio.create_task(load.publish())
        try:
            await load.more(3 * TOGETHER)
            yield load
        finally:
            load.stopping.set()
            await publishing
        await load.subscriber.until(lambda events: len(beginnings(events)) >= len(load.confirmed))
        load.dead = await dead(bot)


async def publish_some(bot: Bot) -> None:
    """A few messages, and no more."""
    await bot.publish(message(body("web", f"s:{number}"), f"s-{number}") for number in range(TOGETHER))


async def has_some(engine: AsyncEngine) -> bool:
    """Whether each of those few is a contact, and nothing else is."""
    return await count(engine, contacts) == TOGETHER


async def reckon(load: Load, engine: AsyncEngine) -> None:
    """Every confirmed message is one contact and one event; nothing is parked, dead or left over; loads are right."""
    async with reading(engine) as conn:
        made = list((await conn.execute(sa.select(contacts.c.message_id))).scalars())
    assert len(made) == len(load.confirmed)
    assert set(made) == load.confirmed
    told = beginnings(load.subscriber.events)
    assert len(told) == len(load.confirmed)
    assert set(told) == load.confirmed
    assert await count(engine, parked_messages) == 0
    assert await loads(engine)
    assert load.dead == 0
    await until(lambda: is_empty(engine, outbox))


def beginnings(events: Iterable[Event]) -> list[str]:
    """The keys of the contacts whose first event is among these."""
    return [event["data"]["contact"]["message_id"] for event in events if event["data"]["sequence"] == 1]


async def is_empty(engine: AsyncEngine, table: sa.Table) -> bool:
    """Whether a table has no row."""
    return not await count(engine, table)


async def dead(bot: Bot) -> int:
    """How many messages the broker gave up."""
    channel = await bot.connection.channel()
    queue = await channel.declare_queue(f"{bot.prefix}contacts.dead", passive=True)
    await channel.close()
    return queue.declaration_result.message_count or 0


@dataclass
class Readiness:
    """What a worker said of itself over time."""

    slowest: float = 0.0
    problems: dict[str, set[str]] = field(default_factory=dict)
    is_ready: bool = False

    def said(self, part: str, words: str) -> bool:
        """Whether a part ever gave a reason that holds these words."""
        return any(words in reason for reason in self.problems.get(part, ()))

    async def watch(self, process: Process) -> None:
        """Ask again and again; also how long the slowest answer of /healthz took."""
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(trust_env=False, base_url=process.url, timeout=PATIENCE_SECONDS) as http:
            while True:
                begun = loop.time()
                assert (await http.get("/healthz")).is_success
                self.slowest = max(self.slowest, loop.time() - begun)
                answer = await http.get("/readyz")
                self.is_ready = answer.is_success
                self._remember(answer.json().get("problems", {}))
                await asyncio.sleep(0.1)  # between two samples

    def _remember(self, problems: Mapping[str, str]) -> None:
        for part, reason in problems.items():
            self.problems.setdefault(part, set()).add(reason)

    async def until_said(self, part: str, words: str) -> None:
        """Wait until a part has given a reason that holds these words."""

        async def has_said() -> bool:
            return self.said(part, words)

        await until(has_said, PATIENCE_SECONDS)

    async def until_ready(self) -> None:
        """Wait until the worker is ready again."""

        async def is_ready() -> bool:
            return self.is_ready

        self.is_ready = False
        await until(is_ready, PATIENCE_SECONDS)


@asynccontextmanager
async def watched(process: Process) -> AsyncIterator[Readiness]:
    """Watch a worker's readiness in the block."""
    readiness = Readiness()
    watching = asyncio.create_task(readiness.watch(process))
    try:
        yield readiness
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        if not watching.cancelled():
            await watching
