"""The worker is stopped or killed in the midst of work."""

import asyncio
import json
import signal

import aio_pika
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.tables import contacts, outbox
from tests.clients import Bot, Subscriber, body, bot_at, message, subscribe
from tests.e2e.load import publish_some
from tests.e2e.locks import locked
from tests.e2e.programs import Programs
from tests.factories import count, loads, open_source
from worker.app import EXIT_AT_ONCE

MESSAGES = 1_500


async def outcome(engine: AsyncEngine, subscriber: Subscriber) -> None:
    """Every message is one contact, told of once, and every load is what it should be."""
    events = await subscriber.count(MESSAGES)
    assert {e["data"]["contact"]["message_id"] for e in events} == {f"k-{i}" for i in range(MESSAGES)}
    assert len({e["data"]["contact"]["id"] for e in events}) == MESSAGES
    assert await count(engine, contacts) == MESSAGES
    assert await loads(engine)


async def publish_all(bot: Bot) -> None:
    """The bot's work."""
    await bot.publish(message(body("web", f"w:{i % 700}"), f"k-{i}") for i in range(MESSAGES))


async def test_sigterm_under_load(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """Stopped under load the worker exits with 0, leaves an empty outbox, and the next one finishes the rest."""
    await open_source(engine, "web", {"A": (1, 900), "B": (2, 900)})
    first = await programs.start("worker")
    await first.until_ready()
    prefix = programs.settings["BROKER_PREFIX"]
    async with bot_at(rabbitmq.url, prefix) as bot:
        subscriber = await subscribe(bot.channel, prefix)
        publishing = asyncio.create_task(publish_all(bot))
        await subscriber.count(200)
        assert await first.stop() == 0
        assert await count(engine, outbox) == 0
        await publishing
        await programs.start("worker")
        await outcome(engine, subscriber)


async def test_killed_under_load(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """Killed three times under load: nothing is lost, nothing is done twice, no load is wrong."""
    await open_source(engine, "web", {"A": (1, 900), "B": (2, 900)})
    worker = await programs.start("worker")
    await worker.until_ready()
    prefix = programs.settings["BROKER_PREFIX"]
    async with bot_at(rabbitmq.url, prefix) as bot:
        subscriber = await subscribe(bot.channel, prefix)
        publishing = asyncio.create_task(publish_all(bot))
        for seen in (100, 400, 800):
            await subscriber.count(seen)
            await worker.kill()
            worker = await programs.start("worker")
        await publishing
        await outcome(engine, subscriber)


async def test_a_part_dies(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """A part that dies takes the process with it, which says which part it was and ends with 1; nothing is lost."""
    await open_source(engine, "web", {"A": (1, 900), "B": (2, 900)})
    broken = await programs.start("tests.e2e.dying_worker")
    await broken.until_ready()
    prefix = programs.settings["BROKER_PREFIX"]
    async with bot_at(rabbitmq.url, prefix) as bot:
        subscriber = await subscribe(bot.channel, prefix)
        publishing = asyncio.create_task(publish_all(bot))
        assert await broken.ended() == 1
        said = [json.loads(line) for line in broken.printed]
        assert [line["component"] for line in said if line["event"] == "component_failed"] == ["consumer"]
        await programs.start("worker")
        await publishing
        await outcome(engine, subscriber)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_second_signal(programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker) -> None:
    """A worker that takes its time to stop ends at once at the second signal, with 130."""
    await open_source(engine, "web", {"A": (1, 900)})
    worker = await programs.start("worker")
    await worker.until_ready()
    async with bot_at(rabbitmq.url, programs.settings["BROKER_PREFIX"]) as bot, locked(database_url):
        await publish_some(bot)
        worker.process.send_signal(signal.SIGTERM)
        await worker.until_printed("worker_stopping")
        assert worker.process.returncode is None
        assert await worker.stop() == EXIT_AT_ONCE


async def test_topology_mismatch(programs: Programs, rabbitmq: Broker) -> None:
    """A queue with other arguments on the broker ends the worker with a line that names the argument."""
    prefix = programs.settings["BROKER_PREFIX"]
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(
            f"{prefix}contacts.inbound.v1",
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": 3,
                "x-dead-letter-exchange": f"{prefix}contacts.dead",
            },
        )
        worker = await programs.start("worker")
        assert await worker.ended() != 0
        assert "x-delivery-limit" in worker.printed[-1]
        await channel.queue_delete(f"{prefix}contacts.inbound.v1")
