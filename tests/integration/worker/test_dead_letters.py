"""What the broker gives up becomes a parked message with the true reason, by the running worker."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from random import Random
from typing import Any

import aio_pika
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.replay import replay_code
from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS, body, message
from tests.e2e.locks import locked
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.broker.topology import DELIVERY_LIMIT

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HUGE = 5 * 1024 * 1024


def letter(key: str, **properties: Any) -> aio_pika.Message:
    """A submission of a source that exists."""
    return message(body("web", f"lead of {key}"), key, **properties)


async def parked(engine: AsyncEngine) -> Sequence[sa.Row[Any]]:
    """Every parked message, by key."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(parked_messages).order_by(parked_messages.c.message_id))).all()


def holds(engine: AsyncEngine, number: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many messages are parked."""

    async def are_there() -> bool:
        return await count(engine, parked_messages) == number

    return are_there


async def push_out(world: WorkerHarness, *keys: str) -> None:
    """Make messages dead: each is moved out of a queue with a limit of one by the next; the last stays."""
    arguments: dict[str, Any] = {"x-max-length": 1, "x-dead-letter-exchange": world.topology.dead}
    queue = await world.bot.channel.declare_queue(f"{world.topology.prefix}short", exclusive=True, arguments=arguments)
    for key in (*keys, "stays"):
        await world.bot.channel.default_exchange.publish(letter(key), queue.name)


async def dead_messages(world: WorkerHarness) -> int:
    """How many messages contacts.dead holds."""
    queue = await world.bot.channel.declare_queue(world.topology.dead, passive=True)
    return queue.declaration_result.message_count or 0


async def give_up_one_of_each(world: WorkerHarness) -> None:
    """A rejected message, one delivered too often, one that expired and one moved out of a full queue."""
    await world.bot.publish([letter("rejected"), letter("limit")])
    inbound = await world.bot.channel.get_queue(world.topology.inbound)
    await (await inbound.get(timeout=PATIENCE_SECONDS)).reject(requeue=False)
    for _ in range(DELIVERY_LIMIT + 1):
        await (await inbound.get(timeout=PATIENCE_SECONDS)).reject(requeue=True)
    await world.bot.publish([letter("expired", expiration=0.2, reply_to=world.replies_to)])
    await push_out(world, "maxlen")

    async def all_dead() -> bool:
        return await dead_messages(world) == 4

    await until(all_dead, PATIENCE_SECONDS)


async def test_each_reason_is_told_and_a_replay_makes_the_contact(world: WorkerHarness, random: Random) -> None:
    """Parked as `undelivered` with a sentence of its own, told to who asked, and replayed with the key kept."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    await give_up_one_of_each(world)
    async with world.worker() as address:
        await until(holds(world.engine, 4), PATIENCE_SECONDS)
        rows = {row.message_id: row for row in await parked(world.engine)}
        [reply] = await world.replies.count(1)

        async def is_empty() -> bool:
            return await HealthPages(address).metric('contacts_queue_messages{queue="dead"}') == 0

        await until(is_empty, PATIENCE_SECONDS)
        assert "dead" not in await HealthPages(address).details()
        assert await HealthPages(address).metric('contacts_messages_total{outcome="parked_undelivered"}') == 4
    assert await dead_messages(world) == 0
    assert {(row.code, row.state, row.named_source, row.attempts) for row in rows.values()} == {
        ("undelivered", "rejected", "web", 1)
    }
    queue = world.topology.inbound
    assert f"it expired in {queue} before a worker took it (expiration 200 ms)" in rows["expired"].detail
    assert "short' was full" in rows["maxlen"].detail
    assert f"given out by {queue} more often than the delivery limit allows" in rows["limit"].detail
    assert f"a consumer of {queue} rejected it" in rows["rejected"].detail
    assert (reply["type"], reply["data"]["code"]) == ("contact.parked", "undelivered")
    async with transaction(world.engine) as conn:
        done = await replay_code(conn, random, world.settings.decoder, "undelivered", None)
    assert (done.replayed, done.parked_again) == (4, 0)
    async with reading(world.engine) as conn:
        assert set(await conn.scalars(sa.select(contacts.c.message_id))) == set(rows)


@SQLITE
async def test_the_same_message_given_up_twice_is_one_row(world: WorkerHarness) -> None:
    """Two copies of a message are one entry that counts both."""
    await push_out(world, "twin", "twin")
    async with world.worker():
        await until(holds(world.engine, 1), PATIENCE_SECONDS)

        async def counted() -> bool:
            return [row.attempts for row in await parked(world.engine)] == [2]

        await until(counted, PATIENCE_SECONDS)


async def test_a_huge_message_is_kept_in_part(world: WorkerHarness) -> None:
    """Of 5 MB, expired or published to a worker, 64 KiB are kept with the size and the digest of the whole."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    content = b"x" * HUGE
    await world.bot.publish([message(content, "expired", expiration=0.001)])

    async def is_dead() -> bool:
        return await dead_messages(world) == 1

    await until(is_dead, PATIENCE_SECONDS)
    async with world.worker():
        await world.bot.publish([message(content, "taken")])
        await until(holds(world.engine, 2), PATIENCE_SECONDS)
    rows = await parked(world.engine)
    assert [(row.message_id, row.code) for row in rows] == [("expired", "undelivered"), ("taken", "too_large")]
    digest = sha256(content)
    for row in rows:
        assert (row.body, row.body_size, row.body_digest) == (content[: 64 * 1024], HUGE, digest.digest())
        assert (str(HUGE) in row.detail, digest.hexdigest() in row.detail, "Replay" in row.detail) == (
            True,
            True,
            False,
        )


@SQLITE
async def test_a_database_that_is_away_uses_up_no_delivery(world: WorkerHarness, database_url: str) -> None:
    """While nothing can be stored, dead messages are held and said; then each is stored once."""
    world.settings = world.settings.model_copy(update={"database_url": SecretStr(f"{database_url}?timeout=0.3")})
    async with world.worker() as address:
        async with locked(database_url):
            await push_out(world, "first")

            async def is_said() -> bool:
                return "locked" in (await HealthPages(address).details()).get("dead", "")

            await until(is_said, PATIENCE_SECONDS)
        await until(holds(world.engine, 1), PATIENCE_SECONDS)
    [row] = await parked(world.engine)
    assert (row.attempts, '"x-delivery-count": 1' in row.properties) == (1, False)
