"""All connections of a server: deadlines kept, room made for new ones."""

import asyncio
import errno
import heapq
import math
import os
from collections import Counter
from enum import IntEnum
from typing import Protocol

from serving.limits import Limits
from serving.rate_limited_log import RateLimitedLog

LOGGER = "serving"
SPARE_FILES = 5
SWEEP_SECONDS = 0.5
NOBODY = "nobody only waits"


class Phase(IntEnum):
    """What a connection waits for; the less it would be missed, the lower."""

    NEW = 0  # the first byte
    HEAD = 1  # the rest of a head
    DRAIN = 2  # the rest of a body that is not read
    CLOSING = 3  # the client to take the last response
    IDLE = 4  # the next request
    BODY = 5  # the rest of a body
    STALLED = 6  # the client to read
    WORK = 7  # us


class Connection(Protocol):
    """What is known of a connection here. `since` and `deadline` are in the event loop's time."""

    address: str
    phase: Phase
    since: float
    deadline: float

    def expire(self) -> None:
        """Its time is over."""

    def drop(self) -> None:
        """End it at once."""


class Connections:
    """The connections of one server, never more than the limit. `seconds`: how long one may be in a phase."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.seconds = {
            Phase.NEW: limits.head,
            Phase.HEAD: limits.head,
            Phase.DRAIN: limits.drain,
            Phase.CLOSING: limits.linger,
            Phase.IDLE: limits.idle,
            Phase.BODY: limits.body,
            Phase.STALLED: limits.stalled,
            Phase.WORK: math.inf,
        }
        self._all: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._full = RateLimitedLog(LOGGER, "connections_at_limit", limit=limits.connections)
        self._no_files = RateLimitedLog(LOGGER, "open_files_at_limit")
        self.slow = RateLimitedLog(LOGGER, "slow_client_dropped")
        self.malformed = RateLimitedLog(LOGGER, "malformed_request_refused")

    def admit(self, connection: Connection) -> bool:
        """Count it in, if need be in the place of others that only wait; whether there is room for it."""
        if len(self._all) >= self.limits.connections and not self._make_room(self._full):
            self._full.say(connection.address)
            return False
        self._all.add(connection)
        if self._sweeping is None:
            self._sweep_later()
        return True

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self._all.discard(connection)

    def _make_room(self, reason: RateLimitedLog) -> bool:
        """Drop connections that only wait; whether there were any."""
        # Several at once: looking at all of them for each new one would itself be a way to keep the server busy.
        count = max(1, self.limits.connections // 16)
        crowds = Counter(connection.address for connection in self._all)
        waiting = [connection for connection in self._all if connection.phase is not Phase.WORK]
        for connection in heapq.nsmallest(count, waiting, key=lambda c: (-crowds[c.address], c.phase, c.since)):
            self._all.discard(connection)
            connection.drop()
            reason.say(connection.address)
        return bool(waiting)

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in [connection for connection in self._all if connection.deadline <= now]:
            connection.expire()
        if not _some_files_can_be_opened() and not self._make_room(self._no_files):
            self._no_files.say(NOBODY)
        self._sweeping = None
        if self._all:
            self._sweep_later()


def _some_files_can_be_opened() -> bool:
    """As many as a connection to the database takes, and a client.

    Else the event loop accepts connections only to close them, and says nothing.
    """
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(SPARE_FILES))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    finally:
        for file in opened:
            os.close(file)
    return True
