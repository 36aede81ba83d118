"""All connections of a server: enforces deadlines, and makes room for new connections."""

import asyncio
import errno
import heapq
import math
import os
from collections import Counter
from enum import IntEnum
from typing import Protocol

from serving.client_limits import Limits
from serving.rate_limited_log import RateLimitedLog

LOGGER = "serving"
SPARE_FILES = 5
SWEEP_SECONDS = 0.5
NOBODY = "nobody only waits"


class Phase(IntEnum):
    """What a connection waits for; connections with lower values are dropped first."""

    NEW = 0  # the first byte
    HEAD = 1  # the rest of a head
    DRAIN = 2  # the rest of a body that will not be read
    CLOSING = 3  # the client to receive the last response
    IDLE = 4  # the next request
    BODY = 5  # the rest of a body
    STALLED = 6  # the client to read
    WORK = 7  # the application


class Connection(Protocol):
    """A connection as seen here. `since` and `deadline` are in the event loop's time."""

    address: str
    phase: Phase
    since: float
    deadline: float

    def expire(self) -> None:
        """The deadline has passed."""

    def drop(self) -> None:
        """End the connection at once."""


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
        """Add a connection, dropping idle ones for it if necessary; returns whether there is room."""
        if len(self._all) >= self.limits.connections and not self._make_room(self._full):
            self._full.say(connection.address)
            return False
        self._all.add(connection)
        if self._sweeping is None:
            self._sweep_later()
        return True

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._all.discard(connection)

    def _make_room(self, reason: RateLimitedLog) -> bool:
        """Drop connections that only wait; returns whether there were any."""
        # Several at once: if each new connection made us look at all of them, clients could keep the server busy.
        count = max(1, self.limits.connections // 16)
        per_address = Counter(connection.address for connection in self._all)
        waiting = [connection for connection in self._all if connection.phase is not Phase.WORK]
        for connection in heapq.nsmallest(count, waiting, key=lambda c: (-per_address[c.address], c.phase, c.since)):
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
        if not _can_open_files() and not self._make_room(self._no_files):
            self._no_files.say(NOBODY)
        self._sweeping = None
        if self._all:
            self._sweep_later()


def _can_open_files() -> bool:
    """Whether as many files can be opened as a database connection and a client need.

    If not, the event loop would accept connections and close them at once, without logging it.
    """
    descriptors: list[int] = []
    try:
        descriptors.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(SPARE_FILES))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    finally:
        for file in descriptors:
            os.close(file)
    return True
