"""Declares what events are published to, and again if events are unroutable because the log was deleted."""

import time

from worker.broker.connection import Connection
from worker.broker.event_log import EventLog
from worker.broker.topology import Topology, declare_needed

DECLARE_EVERY_SECONDS = 5.0


class EventLogRestorer:
    """Works over one connection."""

    def __init__(self, topology: Topology, connection: Connection) -> None:
        self._topology, self._connection = topology, connection
        self._log = EventLog(topology, connection)
        self._is_missing = False
        self._declare_at = 0.0

    def note_unroutable(self) -> bool:
        """No queue takes an event, so the log is missing; returns whether it is about to be declared."""
        if not self._is_missing and time.monotonic() > self._declare_at:
            self._declare_at = time.monotonic() + DECLARE_EVERY_SECONDS
            self._is_missing = True
        return self._is_missing

    async def restore(self) -> bool:
        """Declare the log if it is missing; returns whether it was. Raises errors of earlier declarations, too."""
        self._log.check()
        if not self._is_missing:
            return False
        self._is_missing = False
        await self.declare()
        return True

    async def declare(self) -> None:
        """Declare everything that is published to; with a slow broker that goes on in the background."""
        await declare_needed(self._connection, self._topology)
        await self._log.declare()

    async def close(self) -> None:
        """Stop declaring."""
        await self._log.close()
