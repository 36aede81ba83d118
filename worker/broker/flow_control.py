"""A broker that is alive but accepts no publications: its memory or disk alarm.

The broker notifies a connection only once that publishes, and stops reading from it; what was sent is confirmed after
the alarm. aiormq exposes it in one public way: its `ready` waits while the connection is blocked.
"""

import asyncio
from collections.abc import Callable

from worker.broker.connection import Connection

LOOK_SECONDS = 0.5


def is_blocked(connection: Connection) -> bool:
    """Whether the broker has blocked publications on this connection."""
    if connection.is_closed:
        return False
    step = connection.underlay.ready()
    try:
        step.send(None)
    except StopIteration:
        return False
    finally:
        step.close()
    return True


async def watch(connection: Connection, on_change: Callable[[bool], None]) -> None:
    """Call `on_change` when the connection is blocked (True) and unblocked (False), until cancelled."""
    was_blocked = False
    while True:
        if is_blocked(connection) != was_blocked:
            was_blocked = not was_blocked
            on_change(was_blocked)
        await asyncio.sleep(LOOK_SECONDS)  # the library has no event for "blocked"
