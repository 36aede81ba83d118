"""Which messages of a batch were committed, and which are left."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from distribution.store.outbox import Claim

OnCommit = Callable[[Sequence[DecodedMessage], BatchResult], Awaitable[None]]


class BatchProgress:
    """A batch that may be committed in parts; `on_commit` is called after each.

    `claim`: for the events of all parts. `confirmed_ids`: events to delete with the first part.
    """

    def __init__(
        self,
        messages: Iterable[DecodedMessage],
        claim: Claim | None,
        on_commit: OnCommit | None,
        confirmed_ids: list[UUID],
    ) -> None:
        self.claim, self.confirmed_ids = claim, confirmed_ids
        self.left = {id(decoded): decoded for decoded in messages}
        self.results: list[BatchResult] = []
        self._on_commit = on_commit

    async def note(self, messages: Sequence[DecodedMessage], result: BatchResult) -> None:
        """Record that a part is committed."""
        for decoded in messages:
            del self.left[id(decoded)]
        self.results.append(result)
        if self._on_commit is not None:
            await self._on_commit(messages, result)
