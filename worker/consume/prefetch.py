"""How many deliveries to ask the broker for: two batches of small ones, few of large ones."""

from collections.abc import Mapping, Sequence

from worker.broker.channels import Delivery
from worker.consume.delivery_buffer import ALONE, INBOX_BYTES, weight

FIRST_GUESS_BYTES = 256 * 1024
SLOWNESS = 64
"""The guess becomes smaller by this factor at most with each batch, and larger at once."""


class Prefetch:
    """Asks for about INBOX_BYTES, by the size of what came last. `together`: messages in a batch of each lane."""

    def __init__(self, together: Mapping[int, int]) -> None:
        self._most = {of: 2 * number for of, number in together.items()} | {ALONE: 1}
        self._guess = float(FIRST_GUESS_BYTES)

    def number(self, lane: int) -> int:
        """How many to ask for."""
        return max(1, min(self._most[lane], int(INBOX_BYTES / self._guess)))

    def saw(self, deliveries: Sequence[Delivery]) -> None:
        """Learn from a batch."""
        if deliveries:
            average = sum(map(weight, deliveries)) / len(deliveries)
            self._guess = max(1.0, average, self._guess / SLOWNESS)

    def misfits(self, lane: int, asked: int) -> bool:
        """Whether what was asked for is twice too much, half of what is possible, or less than all without need."""
        now = self.number(lane)
        return now <= asked / 2 or now >= asked * 2 or now == self._most[lane] > asked
