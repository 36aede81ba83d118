"""What was committed of a batch, and what is left of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage

Told = Callable[[Sequence[DecodedMessage], BatchResult], Awaitable[None]]


class BatchProgress:
    """A batch that may be committed in parts; `told` hears of each."""

    def __init__(self, arrivals: Iterable[DecodedMessage], told: Told | None) -> None:
        self.left = {id(arrival): arrival for arrival in arrivals}
        self.intakes: list[BatchResult] = []
        self._told = told

    async def note(self, arrivals: Sequence[DecodedMessage], intake: BatchResult) -> None:
        """A part is committed."""
        for arrival in arrivals:
            del self.left[id(arrival)]
        self.intakes.append(intake)
        if self._told is not None:
            await self._told(arrivals, intake)
