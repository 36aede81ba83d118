"""The queues that replies may go to.

A sender names the queue and the worker publishes to it with its own permissions on the broker, so not every name is
allowed. Names are checked against those of the contract, without asking a broker.
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

        Direct reply-to always: it names the channel that asked for it and can be used for nothing else. A queue named
        by the server may belong to any client, so with `queue_prefix` it is checked like other queues.
        """
        if queue.startswith(DIRECT):
            return True
        if self._is_own(queue) or (queue.startswith(RESERVED) and not queue.startswith(SERVER_NAMED)):
            return False
        return queue.startswith(self.queue_prefix)

    def _is_own(self, queue: str) -> bool:
        return queue.startswith(self.broker_prefix) and bool(OWN.fullmatch(queue, len(self.broker_prefix)))


ALL_BUT_OWN = ReplyQueues()
"""The rule without any setting."""
