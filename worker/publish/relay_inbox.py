"""What the rest of the worker hands to the relay: committed publications to publish; and what it borrows from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from distribution.intake.batch import BatchResult
from distribution.store.outbox import Claim
from worker.publish.lane import Lane
from worker.publish.leased_rows import LeasedRows


class RelayInbox:
    """Passes committed publications to the relay, and ids of confirmed ones to the next batch, which deletes them."""

    def __init__(self, rows: LeasedRows, events: Lane, replies: Lane) -> None:
        self._rows, self._events, self._replies = rows, events, replies

    def claim(self) -> Claim | None:
        """A claim for events about to be written; None if there is no room to publish them from memory."""
        return self._rows.claim_now(replies=self._replies.has_room) if self._events.has_room else None

    @contextmanager
    def lend_confirmed_ids(self) -> Iterator[list[UUID]]:
        """Lend the ids of confirmed rows to the running batch, whose transaction deletes them."""
        with self._rows.lend_confirmed_ids() as confirmed_ids:
            yield confirmed_ids
        self._events.wake(poll=False)

    def enqueue(self, result: BatchResult) -> None:
        """Publish what was committed under a claim of ours; a poll of the outbox finds the rest."""
        claim = result.claim
        own = [p for p in result.publications if claim.covers(p)] if claim else []
        if claim:
            until = claim.since + claim.seconds
            self._events.add([p for p in own if not p.reply], until)
            if any(p.reply for p in own):
                self._replies.add([p for p in own if p.reply], until)
        if len(own) < len(result.publications):
            self._rows.expect_followers()
            self._events.wake(poll=True)
            if not (claim and claim.replies):
                self._replies.wake(poll=True)

    def wake(self) -> None:
        """Poll the outbox now."""
        self._events.wake(poll=True)
        self._replies.wake(poll=True)
