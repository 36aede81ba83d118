"""Whether the worker is ready: problems make it unready, details only inform operators."""

import asyncio
from collections.abc import Callable


class Readiness:
    """Problems and details by component; the worker is ready while there are no problems."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.details: dict[str, str] = {}
        self._changed = asyncio.Event()

    def set_unready(self, component: str, reason: str) -> None:
        """The component does not work."""
        self.problems[component] = reason
        self._changed.set()

    def set_ready(self, component: str) -> None:
        """The component works."""
        if self.problems.pop(component, None) is not None:
            self._changed.set()

    def set_detail(self, component: str, text: str) -> None:
        """Something an operator should look at although the worker is ready; an empty text if there is nothing."""
        if text:
            self.details[component] = text
        elif self.details.pop(component, None) is None:
            return
        self._changed.set()

    async def until(self, condition: Callable[["Readiness"], bool]) -> None:
        """Wait until the condition holds; only one waiter at a time."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()
