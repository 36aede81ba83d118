"""A source with a dedupe_window, for the tests of what it does."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tests import factories as made

HOUR = 3600


async def open_source(engine: AsyncEngine, window: int | None = HOUR, code: str = made.SOURCE) -> int:
    """A source with this window and an operator."""
    return await made.make_source(engine, {await made.make_operator(engine): 1}, code, dedupe_window=window)
