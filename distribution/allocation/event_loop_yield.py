"""Other tasks of the process have their turn, however many operators a source has."""

import asyncio
from dataclasses import dataclass

LOOKED_AT_ONCE = 20_000
"""Operators looked at between two turns of other tasks: some 5 ms."""


@dataclass(slots=True)
class CooperativeYield:
    """Counts what was looked at since others had their turn."""

    looked: int = 0

    async def after(self, operators: int) -> None:
        """To be awaited after each step that may have looked at so many operators."""
        self.looked += operators
        if self.looked >= LOOKED_AT_ONCE:
            self.looked = 0
            await asyncio.sleep(0)
