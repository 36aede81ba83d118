"""Several workers that take messages at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from distribution.store.engine import create_engine
from tests import factories as made

WORKERS = 4
Work = Callable[[AsyncEngine, Random], Awaitable[Counter[str]]]


async def side_by_side(database_url: str, *works: Work) -> Counter[str]:
    """Every piece of work on an engine of its own, all at once; returns what they counted together."""
    engines = [create_engine(database_url) for _ in works]
    try:
        async with asyncio.timeout(120):
            counts = await asyncio.gather(
                *(work(engine, Random(i)) for i, (work, engine) in enumerate(zip(works, engines, strict=True)))
            )
    finally:
        for engine in engines:
            await engine.dispose()
    return sum(counts, Counter())


def worker(messages: Sequence[Incoming], size: int) -> Work:
    """A worker that takes these messages in an order of its own, in batches."""

    async def work(engine: AsyncEngine, random: Random) -> Counter[str]:
        mine = list(messages)
        random.shuffle(mine)
        counts: Counter[str] = Counter()
        for start in range(0, len(mine), size):
            counts += (await made.take(engine, mine[start : start + size], random)).counts
        return counts

    return work
