"""Whether a transaction waits for a lock that is held for long, or in a queue of short transactions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from worker.aio import running

LOOK_EVERY_SECONDS = 0.5
LOOKS_AFTER = 0.4
"""The first check comes after this fraction of the lock timeout, so that there are two of them."""
ASK_SECONDS = 1.0


class LockWaitMonitor:
    """One transaction: `pid` is its server process, `held` whether the lock it last waited for is held for long.

    `ask` returns that for a pid, None if it does not wait. `seconds`: the transaction's lock timeout.
    """

    def __init__(self, ask: Callable[[int], Awaitable[bool | None]], seconds: float) -> None:
        self._ask, self._every = ask, min(LOOK_EVERY_SECONDS, seconds * LOOKS_AFTER)
        self.pid: int | None = None
        self.held: bool | None = None
        self._asking = self._over = False

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Ask periodically: after the wait has ended it is too late to find out what it was for."""
        async with running(self._watch()) as (watching,):
            try:
                yield
            finally:
                self._over = True
                if self._asking:
                    # If this were cancelled while it connects, the pool would lose the connection without closing it.
                    await asyncio.wait({watching}, timeout=ASK_SECONDS)

    async def _watch(self) -> None:
        while not self._over:
            await asyncio.sleep(self._every)  # only asking shows what a transaction waits for
            if self.pid is not None:
                self._asking = True
                held = await self._ask(self.pid)
                self._asking = False
                self.held = self.held if held is None else held
