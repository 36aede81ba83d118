"""Two installations on one virtual host of one broker."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.engine import create_engine
from distribution.store.tables import contacts
from tests.clients import body, bot_at, message, subscribe
from tests.e2e.programs import Programs
from tests.factories import count, open_source

NUMBER = 50


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_has_its_own(
    programs: Programs, engine: AsyncEngine, rabbitmq: Broker, sqlite_template: Path, tmp_path: Path
) -> None:
    """With prefixes of their own, neither gets a message or an event of the other, for all that keys are the same."""
    copy = tmp_path / "other.db"
    shutil.copy(sqlite_template, copy)
    other = f"sqlite+aiosqlite:///{copy}"
    here, there = programs.settings["BROKER_PREFIX"], f"{programs.settings['BROKER_PREFIX']}other."
    engines = {here: engine, there: create_engine(other)}
    workers = [await programs.start("worker"), await programs.start("worker", DATABASE_URL=other, BROKER_PREFIX=there)]
    for worker in workers:
        await worker.until_ready()
    for prefix, number in ((here, NUMBER), (there, 2 * NUMBER)):
        await open_source(engines[prefix], "web", {f"Of {prefix}": (1, 900)})
        async with bot_at(rabbitmq.url, prefix) as bot:
            subscriber = await subscribe(bot.channel, prefix)
            await bot.publish(message(body("web", f"w:{n}"), f"k-{n}") for n in range(number))
            events = await subscriber.count(number)
            assert {event["data"]["operator"]["name"] for event in events} == {f"Of {prefix}"}
    assert [await count(each, contacts) for each in engines.values()] == [NUMBER, 2 * NUMBER]
    await engines[there].dispose()
