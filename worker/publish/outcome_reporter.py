"""Says what became of publications: metrics for all, a line in the log for each incident."""

from collections import Counter
from collections.abc import Sequence

from worker.incident_log import IncidentLog
from worker.publish.outbox_buffer import Event
from worker.publish.retry_policy import Failure
from worker.status import Status

REASONS = {
    Failure.REFUSED: "a queue that should get it is full or cannot take it",
    Failure.UNCONFIRMED: "the broker did not confirm it in time",
    Failure.UNROUTABLE: "no queue takes it",
    Failure.UNPUBLISHABLE: "the broker does not take it",
}
PATTERN_WORDS = 3


class OutcomeReporter:
    """Counts and logs. What a message carries never stands in a line."""

    def __init__(self, status: Status, incidents: IncidentLog) -> None:
        self._status, self._incidents = status, incidents

    def count(self, events: Sequence[Event]) -> None:
        """Publications that landed, or did not."""
        results = Counter[str]()
        for event in events:
            if event.failure is not None:
                results[self._failed(event, event.failure)] += 1
            else:
                results["reply" if event.publication.reply else event.publication.type] += 1
        for result, number in results.items():
            self._status.published.labels(result).inc(number)

    def retried(self, number: int) -> None:
        """Events that are tried again."""
        self._status.published.labels("retried").inc(number)

    def stale(self, number: int) -> None:
        """Replies that nobody waits for any more were deleted."""
        self._status.published.labels("reply_dropped").inc(number)
        self._incidents.tell("replies_dropped", "stale", reason="not published in time", number=number)

    def _failed(self, event: Event, failure: Failure) -> str:
        publication, reason = event.publication, event.why or REASONS[failure]
        if not publication.reply:
            level = "error" if failure in (Failure.UNPUBLISHABLE, Failure.UNROUTABLE) else "warning"
            pattern = ".".join(publication.routing_key.split(".")[:PATTERN_WORDS])
            self._incidents.tell(
                f"event_{failure}",
                pattern,
                level,
                event_id=publication.message_id,
                reason=reason,
                next_try_seconds=event.pause,
            )
            return str(failure)
        if event.pause is not None:
            return f"reply_{failure}"
        self._incidents.tell("reply_dropped", publication.routing_key, reason=reason)
        return "reply_dropped"
