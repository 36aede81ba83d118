"""A broker that is alive and takes no publications: its memory or disk alarm.

The broker says so to a connection only once that publishes, and stops reading from it; what was sent is confirmed after
the alarm. aiormq offers one public way to see it: its `ready` waits while the connection is blocked.
"""

import asyncio
from collections.abc import Callable

from worker.broker.connection import Connection

LOOK_SECONDS = 0.5


def is_blocked(connection: Connection) -> bool:
    """Whether the broker has said that it takes no publications on this connection now."""
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


async def watch(connection: Connection, tell: Callable[[bool], None]) -> None:
    """Tell of each beginning (True) and each end (False), for as long as this is not cancelled."""
    known = False
    while True:
        if is_blocked(connection) != known:
            known = not known
            tell(known)
        await asyncio.sleep(LOOK_SECONDS)
