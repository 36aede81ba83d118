"""Declares what events are published to; again if events are unroutable because the log was deleted."""

import time

from worker.broker.connection import Connection, opened
from worker.broker.event_log import EventLog
from worker.broker.topology import Topology, declare_each

DECLARE_EVERY_SECONDS = 5.0


class EventLogRedeclarer:
    """Works over one connection, on a channel of its own, which ends with the connection."""

    def __init__(self, topology: Topology, connection: Connection) -> None:
        self._topology = topology
        self._channel = connection.channel(publisher_confirms=False)
        self._log = EventLog(topology, connection)
        self._is_missing = False
        self._declare_at = 0.0

    def note_unroutable(self) -> bool:
        """An event was unroutable, so the log is missing; returns whether it is about to be declared."""
        if not self._is_missing and time.monotonic() > self._declare_at:
            self._declare_at = time.monotonic() + DECLARE_EVERY_SECONDS
            self._is_missing = True
        return self._is_missing

    async def restore(self) -> bool:
        """Declare the log if it is missing; returns whether it was. Also raises errors of earlier declarations."""
        self._log.check()
        if not self._is_missing:
            return False
        self._is_missing = False
        await self.declare()
        return True

    async def declare(self) -> None:
        """Declare everything that is published to; if the broker is slow, this goes on in the background."""
        await declare_each(await opened(self._channel), self._topology.needed(), declares=self._topology.declares)
        await self._log.declare()

    async def close(self) -> None:
        """Stop declaring."""
        await self._log.close()
