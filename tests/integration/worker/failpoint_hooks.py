"""Hooks that make a worker fail at a failpoint, or count what passes there."""

import asyncio

from worker.failpoints import Failpoint


class Crash(Exception):
    """A defect in some part of the worker."""


class Passes:
    """Counts the passes at one point; at one of them it crashes, or says that it was passed."""

    def __init__(self, point: Failpoint, at: int, *, crash: bool) -> None:
        self._point, self._left, self._crash = point, at, crash
        self.reached = asyncio.Event()

    def see(self, point: Failpoint, _about: str) -> None:
        """Where the work stands."""
        if point is self._point:
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                if self._crash:
                    raise Crash
