"""When a publication that the broker did not accept is retried, or whether it is given up."""

from collections import OrderedDict

from distribution.backoff import Backoff
from distribution.store.outbox import Publication
from worker.broker.publish_result import PublishResult

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
UNPUBLISHABLE_SECONDS = 600.0
REPLY_TRIES = 3
BARRED_SECONDS = 60.0
BARRED_AT_MOST = 1_000


class RetryPolicy:
    """Events are never given up, but retried ever more rarely: each attempt is a copy for queues that took them.

    Times are of the monotonic clock.
    """

    def next_pause(self, publication: Publication, result: PublishResult, _now: float, /) -> float | None:
        """Seconds until the next attempt; None to give it up."""
        return UNPUBLISHABLE_SECONDS if result is PublishResult.UNPUBLISHABLE else backoff(publication.attempts)

    def is_barred(self, _publication: Publication, _now: float, /) -> bool:
        """Whether to give it up without an attempt."""
        return False

    def bar_all(self, _now: float, /) -> None:
        """The broker accepts nothing of this kind from this worker: events wait until it does."""


class ReplyRetryPolicy(RetryPolicy):
    """A reply gets a few attempts; then its queue is barred for a while: further replies to it get one, or none.

    Senders choose the queue, and so the effect on the broker, so the number of remembered queues is bounded.
    """

    def __init__(self) -> None:
        self._barred: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._all_until = float("-inf")

    def next_pause(self, publication: Publication, result: PublishResult, now: float, /) -> float | None:
        """None, and a bar, after REPLY_TRIES or something harmful."""
        harmful = result is PublishResult.UNPUBLISHABLE
        if harmful or publication.attempts + 1 >= REPLY_TRIES or self._is_known(publication, now):
            self._bar(publication.routing_key, now + BARRED_SECONDS, harmful)
            return None
        return backoff(publication.attempts)

    def is_barred(self, publication: Publication, now: float, /) -> bool:
        """Whether all replies are barred, or a harmful one was sent to this queue."""
        _, harmful = self._barred.get(publication.routing_key, (now, False))
        return now < self._all_until or (harmful and self._is_known(publication, now))

    def bar_all(self, now: float, /) -> None:
        """Give up all replies for a while."""
        self._all_until = now + BARRED_SECONDS

    def _is_known(self, publication: Publication, now: float) -> bool:
        until, _ = self._barred.get(publication.routing_key, (now, False))
        return now < until

    def _bar(self, queue: str, until: float, harmful: bool) -> None:
        self._barred[queue] = until, harmful
        self._barred.move_to_end(queue)
        if len(self._barred) > BARRED_AT_MOST:
            self._barred.popitem(last=False)


def backoff(attempts: int) -> float:
    """Seconds to pause after a failure that follows `attempts` earlier ones."""
    # The exponent is bounded, since an event may be retried for years.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts, 30), LONGEST_PAUSE_SECONDS)


class RetryBudget:
    """How many retries are sent in one round, and when the next may begin.

    While all fail, few are sent and ever more rarely: queues that do accept them get a copy each time. After a success
    twice as many as were confirmed are sent at once.
    """

    FEW, MANY = 5, 200
    LONGEST_SECONDS = 8.0

    def __init__(self) -> None:
        self.size = self.FEW
        self.next_at = float("-inf")
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, self.LONGEST_SECONDS)

    def round_over(self, confirmed: int, failed: int, now: float) -> None:
        """Record the results of the last round's retries."""
        if not confirmed and not failed:
            return
        self.size = min(max(2 * confirmed, self.FEW), self.MANY)
        if confirmed:
            self._backoff.reset()
        self.next_at = now + self._backoff.pause() if failed else now
