"""Lets other tasks of the process run, even if a source has many operators."""

import asyncio
from dataclasses import dataclass

EXAMINED_AT_ONCE = 20_000
"""Operators to examine before yielding to other tasks: about 5 ms."""


@dataclass(slots=True)
class CooperativeYield:
    """Counts the operators examined since the last yield."""

    examined: int = 0

    async def after(self, operators: int) -> None:
        """Await this after each step that may have examined `operators` operators."""
        self.examined += operators
        if self.examined >= EXAMINED_AT_ONCE:
            self.examined = 0
            await asyncio.sleep(0)
