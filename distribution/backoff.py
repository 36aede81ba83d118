"""Pauses between attempts that grow as long as the attempts fail."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Each pause is twice the one before, up to the longest."""

    first: float
    longest: float
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def pause(self) -> float:
        """Returns how many seconds to wait before the next attempt."""
        seconds, self._next = self._next, min(2 * self._next, self.longest)
        return seconds

    def reset(self) -> None:
        """Start over with the first pause, after an attempt that succeeded."""
        self._next = self.first
