"""Whether a lock that is waited for is held long, asked while the transaction waits."""

import asyncio

from worker.consume.lock_wait_monitor import LockWaitMonitor

SECONDS = 0.02


async def test_a_question_that_is_under_way_is_not_cancelled() -> None:
    """Cancelled while it connects, it would leave a connection open; the transaction ends a moment later instead."""
    asked, leaving, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ask(_: int) -> bool | None:
        asked.set()
        await leaving.wait()
        ended.set()
        return True

    wait = LockWaitMonitor(ask, SECONDS)
    wait.pid = 1
    async with wait.watched():
        await asked.wait()
        leaving.set()
    assert ended.is_set()
    assert wait.held


async def test_without_a_question_the_transaction_waits_for_nothing() -> None:
    """Most transactions are over before anything is asked."""

    async def ask(_: int) -> bool | None:
        raise AssertionError

    wait = LockWaitMonitor(ask, 60.0)
    wait.pid = 1
    async with asyncio.timeout(5), wait.watched():
        pass
    assert wait.held is None
