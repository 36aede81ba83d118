"""What was committed of a batch, and what is left of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from distribution.services.intake import Intake
from distribution.services.process import Arrival

Told = Callable[[Sequence[Arrival], Intake], Awaitable[None]]


class Parts:
    """A batch that may be committed in parts; `told` hears of each."""

    def __init__(self, arrivals: Iterable[Arrival], told: Told | None) -> None:
        self.left = {id(arrival): arrival for arrival in arrivals}
        self.intakes: list[Intake] = []
        self._told = told

    async def note(self, arrivals: Sequence[Arrival], intake: Intake) -> None:
        """A part is committed."""
        for arrival in arrivals:
            del self.left[id(arrival)]
        self.intakes.append(intake)
        if self._told is not None:
            await self._told(arrivals, intake)
