"""Reports results of publications: metrics for all, a log line for each incident."""

from collections import Counter
from collections.abc import Sequence

from worker.broker.publish_result import PublishResult
from worker.incident_log import IncidentLog
from worker.metrics import Metrics
from worker.publish.outbox_buffer import Attempt

REASONS = {
    PublishResult.REFUSED: "a queue that should get it is full or cannot take it",
    PublishResult.UNCONFIRMED: "the broker did not confirm it in time",
    PublishResult.UNROUTABLE: "no queue takes it",
    PublishResult.UNPUBLISHABLE: "the broker does not take it",
}
PATTERN_WORDS = 3


class PublicationMetrics:
    """Counts and logs results. The log never contains message content."""

    def __init__(self, metrics: Metrics, incidents: IncidentLog) -> None:
        self._metrics, self._incidents = metrics, incidents

    def count(self, attempts: Sequence[Attempt]) -> None:
        """Count finished attempts to publish, and log failures."""
        for label, number in Counter(map(self._label, attempts)).items():
            self._metrics.published.labels(label).inc(number)

    def count_retried(self, number: int) -> None:
        """Count events that are sent again."""
        self._metrics.published.labels("retried").inc(number)

    def count_stale(self, number: int) -> None:
        """Count and log replies that were deleted because they were too old."""
        self._metrics.published.labels("reply_dropped").inc(number)
        self._incidents.tell("replies_dropped", "stale", reason="not published in time", number=number)

    def _label(self, attempt: Attempt) -> str:
        """The metric's label of an attempt; one that failed is logged."""
        publication, result = attempt.publication, attempt.result
        if result is PublishResult.CONFIRMED:
            return "reply" if publication.reply else publication.type
        reason = attempt.reason or REASONS[result]
        if publication.reply and attempt.pause is not None:
            return f"reply_{result}"
        if publication.reply:
            self._incidents.tell("reply_dropped", publication.routing_key, reason=reason)
            return "reply_dropped"
        self._incidents.tell(
            f"event_{result}",
            ".".join(publication.routing_key.split(".")[:PATTERN_WORDS]),
            "error" if result in (PublishResult.UNPUBLISHABLE, PublishResult.UNROUTABLE) else "warning",
            event_id=publication.message_id,
            reason=reason,
            next_try_seconds=attempt.pause,
        )
        return str(result)
