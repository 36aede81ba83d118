"""Whether a transaction waits for a lock that somebody keeps, or in a queue in which it will get its turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

LOOK_EVERY_SECONDS = 0.5
LOOKS_AFTER = 0.4
"""The first look comes after this part of the time that a lock is waited for, so that there are two of them."""
ASK_SECONDS = 1.0


class LockWait:
    """One transaction: `pid` is its process on the server, `held` whether it last waited for a lock that is held long.

    `ask` returns that of a process, None if it does not wait; `seconds`: how long the transaction waits for each lock.
    """

    def __init__(self, ask: Callable[[int], Awaitable[bool | None]], seconds: float) -> None:
        self._ask, self._every = ask, min(LOOK_EVERY_SECONDS, seconds * LOOKS_AFTER)
        self.pid: int | None = None
        self.held: bool | None = None
        self._asking = self._over = False

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Ask now and then: once the wait has ended, nobody can tell what it was for."""
        watching = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            self._over = True
            if self._asking:
                # Cancelled while it connects, the pool would forget the connection without closing it.
                await asyncio.wait({watching}, timeout=ASK_SECONDS)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while not self._over:
            await asyncio.sleep(self._every)
            if self.pid is not None:
                self._asking = True
                held = await self._ask(self.pid)
                self._asking = False
                self.held = self.held if held is None else held
