"""What the components that take work in have in common."""

import asyncio
from dataclasses import dataclass

from distribution.store.database import Database
from worker.consume.batch_committer import BatchCommitter
from worker.database_outage import DEFAULT_DELAYS, RetryDelays
from worker.failpoints import FailpointHook, no_failpoints
from worker.metrics import Metrics
from worker.publish.relay_inbox import RelayInbox
from worker.readiness import Readiness
from worker.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class ConsumeContext:
    """Once `stopping` is set they settle what they have begun, and take nothing more."""

    settings: WorkerSettings
    database: Database
    batches: BatchCommitter
    relay: RelayInbox
    readiness: Readiness
    metrics: Metrics
    stopping: asyncio.Event
    at_failpoint: FailpointHook = no_failpoints
    retry_delays: RetryDelays = DEFAULT_DELAYS
