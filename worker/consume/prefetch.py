"""How many deliveries to prefetch: two batches of small ones, few large ones."""

from collections.abc import Mapping, Sequence

from worker.broker.aiormq_channels import Delivery
from worker.consume.delivery_buffer import ALONE, BUFFER_BYTES, weight

FIRST_ESTIMATE_BYTES = 256 * 1024
SLOWNESS = 64
"""The estimate shrinks at most by this factor per batch, and grows at once."""


class Prefetch:
    """Prefetches about BUFFER_BYTES, judging by recent deliveries. `batch_sizes`: of each risk class."""

    def __init__(self, batch_sizes: Mapping[int, int]) -> None:
        self._most = {risk: 2 * size for risk, size in batch_sizes.items()} | {ALONE: 1}
        self._estimate = float(FIRST_ESTIMATE_BYTES)

    def number(self, risk: int) -> int:
        """The prefetch count for a risk class."""
        return max(1, min(self._most[risk], int(BUFFER_BYTES / self._estimate)))

    def saw(self, deliveries: Sequence[Delivery]) -> None:
        """Update the estimate from a batch."""
        if deliveries:
            average = sum(map(weight, deliveries)) / len(deliveries)
            self._estimate = max(1.0, average, self._estimate / SLOWNESS)

    def misfits(self, risk: int, asked: int) -> bool:
        """Whether `asked` is twice too much, half of what is possible, or needlessly below the maximum."""
        now = self.number(risk)
        return now <= asked / 2 or now >= asked * 2 or now == self._most[risk] > asked
