"""What becomes of a publication that the broker did not take: when it is tried again, or that it is given up."""

from collections import OrderedDict
from enum import StrEnum
from typing import Protocol

from distribution.store.outbox import Publication

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
UNPUBLISHABLE_SECONDS = 600.0
REPLY_TRIES = 3
BARRED_SECONDS = 60.0
BARRED_AT_MOST = 1_000


class Failure(StrEnum):
    """Why a publication was not taken."""

    REFUSED = "refused"
    """A negative acknowledgement: one of the queues that should get it is full, say."""
    UNCONFIRMED = "unconfirmed"
    """No word within the time, or the connection was lost with nothing else in flight."""
    UNROUTABLE = "unroutable"
    """No queue takes it although there is a log."""
    UNPUBLISHABLE = "unpublishable"
    """It ends the channel or the connection, or cannot be put into frames."""


class RetryPolicy(Protocol):
    """Decides about one kind of publication. Moments are those of the monotonic clock."""

    def next_pause(self, publication: Publication, failure: Failure, now: float, /) -> float | None:
        """Seconds until it is tried again; None gives it up."""

    def is_barred(self, publication: Publication, now: float, /) -> bool:
        """Whether it is to be given up without a try."""

    def bar_all(self, now: float, /) -> None:
        """The broker takes none of this kind from us."""


class EventRetryPolicy:
    """An event is never given up, and tried ever more rarely: each try is one more copy for queues that took it."""

    def next_pause(self, publication: Publication, failure: Failure, _now: float) -> float | None:
        """See Tries."""
        if failure is Failure.UNPUBLISHABLE:
            return UNPUBLISHABLE_SECONDS
        return backoff(publication.attempts)

    def is_barred(self, _publication: Publication, _now: float) -> bool:
        """See Tries."""
        return False

    def bar_all(self, _now: float) -> None:
        """See Tries; events wait for a broker that takes them."""


class ReplyRetryPolicy:
    """A reply gets a few tries; then its queue is barred for a while: its next ones get one, or none.

    What a reply does to the broker is its sender's choice, who also names the queue, so what is remembered is bounded.
    """

    def __init__(self) -> None:
        self._barred: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._all_until = float("-inf")

    def next_pause(self, publication: Publication, failure: Failure, now: float) -> float | None:
        """See Tries."""
        harmful = failure is Failure.UNPUBLISHABLE
        if harmful or publication.attempts + 1 >= REPLY_TRIES or self._is_known(publication, now):
            self._bar(publication.routing_key, now + BARRED_SECONDS, harmful)
            return None
        return backoff(publication.attempts)

    def is_barred(self, publication: Publication, now: float) -> bool:
        """See Tries."""
        _, harmful = self._barred.get(publication.routing_key, (now, False))
        return now < self._all_until or (harmful and self._is_known(publication, now))

    def bar_all(self, now: float) -> None:
        """See Tries."""
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
    """Seconds to pause after the next failure, where so many came before."""
    # The exponent is bounded, since an event may be tried for years.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts, 30), LONGEST_PAUSE_SECONDS)


class RetryBudget:
    """How many retries go out in one round, and when the next may begin.

    While all fail, few go out and ever more rarely: queues that do take them get a copy each time. As soon as they are
    taken, twice as many go out at once.
    """

    FEW, MANY = 5, 200
    LONGEST_SECONDS = 8.0

    def __init__(self) -> None:
        self.size = self.FEW
        self.next_at = float("-inf")
        self._pause = FIRST_PAUSE_SECONDS

    def round_over(self, taken: int, failed: int, now: float) -> None:
        """What became of the last round's retries."""
        if not taken and not failed:
            return
        self.size = min(max(2 * taken, self.FEW), self.MANY)
        if not failed:
            self.next_at, self._pause = now, FIRST_PAUSE_SECONDS
            return
        if taken:
            self._pause = FIRST_PAUSE_SECONDS
        self.next_at = now + self._pause
        self._pause = min(self._pause * 2, self.LONGEST_SECONDS)
