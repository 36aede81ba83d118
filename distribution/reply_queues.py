"""The queues that replies may go to.

A sender names the queue and the worker writes to it with its own rights on the broker, so not every name will do. The
names are the contract's; none of them is looked up on a broker.
"""

import re
from dataclasses import dataclass

DIRECT = "amq.rabbitmq.reply-to"
SERVER_NAMED = "amq.gen-"
RESERVED = "amq."
OWN = re.compile(r"contacts|contacts\.(?:inbound|dead)(?:\..*)?|assignments|assignments\.log(?:\..*)?", re.DOTALL)
"""Exchanges and queues of the contract, in any version."""


@dataclass(frozen=True, slots=True)
class ReplyQueues:
    """Which queues are allowed. `broker_prefix`: of our own names; `queue_prefix`: what names must begin with."""

    broker_prefix: str = ""
    queue_prefix: str = ""

    def allow(self, queue: str) -> bool:
        """Whether a reply may go to this queue.

        Direct reply-to always: it names a channel that asked for it and can be used for nothing else. A queue named by
        the server may be anybody's, so with `queue_prefix` it is a queue like others.
        """
        if queue.startswith(DIRECT):
            return True
        if self._is_own(queue) or (queue.startswith(RESERVED) and not queue.startswith(SERVER_NAMED)):
            return False
        return queue.startswith(self.queue_prefix)

    def _is_own(self, queue: str) -> bool:
        return queue.startswith(self.broker_prefix) and bool(OWN.fullmatch(queue, len(self.broker_prefix)))


ALL_BUT_OWN = ReplyQueues()
"""What is allowed without any setting."""
