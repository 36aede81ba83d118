"""Whether the worker is ready can be awaited."""

import asyncio

import pytest

from worker.readiness import Readiness


async def test_a_change_of_readiness_can_be_awaited() -> None:
    """A problem, its end, and a detail: each wakes whoever waits for it."""
    readiness = Readiness()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        unready = group.create_task(readiness.until(lambda now: now.problems == {"consumer": "not connected"}))
        await asyncio.sleep(0)  # a turn for who waits
        assert not unready.done()
        readiness.set_unready("consumer", "not connected")
        await unready
        shown = group.create_task(readiness.until(lambda now: not now.problems and now.details == {"log": "slow"}))
        readiness.set_ready("consumer")
        await asyncio.sleep(0)  # a turn for who waits
        readiness.set_detail("log", "slow")
        await shown


async def test_what_holds_already_is_not_waited_for() -> None:
    """Also what never changes."""
    async with asyncio.timeout(5):
        await Readiness().until(lambda now: not now.problems)


async def test_what_never_holds_is_waited_for() -> None:
    """Until the caller gives up."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await Readiness().until(lambda now: bool(now.problems))
