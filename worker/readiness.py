"""Whether the worker does its work: problems make it unready, details are for a person to look at."""

import asyncio
from collections.abc import Callable


class Readiness:
    """Problems and details by component: the worker is ready while there are no problems."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.details: dict[str, str] = {}
        self._changed = asyncio.Event()

    def set_unready(self, component: str, reason: str) -> None:
        """A component does not do its work."""
        self.problems[component] = reason
        self._changed.set()

    def set_ready(self, component: str) -> None:
        """A component does its work."""
        if self.problems.pop(component, None) is not None:
            self._changed.set()

    def set_detail(self, component: str, text: str) -> None:
        """Something to look at although the worker is ready."""
        self.details[component] = text
        self._changed.set()

    def clear_detail(self, component: str) -> None:
        """Nothing to look at any more."""
        if self.details.pop(component, None) is not None:
            self._changed.set()

    async def until(self, condition: Callable[["Readiness"], bool]) -> None:
        """Wait for a change after which the condition holds; one waiter at a time."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()
