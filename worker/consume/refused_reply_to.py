"""Counts and logs messages whose `reply_to` may not be used."""

import time

import structlog

from distribution.messages import Incoming
from worker.metrics import Metrics

LOG_EVERY_SECONDS = 60.0
SHOWN = 100


class RefusedReplyTo:
    """Counts them all, and logs one a minute."""

    def __init__(self, metrics: Metrics) -> None:
        self._refused, self._log_at = metrics.replies_refused, 0.0
        self._log = structlog.get_logger("worker.consume.refused_reply_to")

    def note(self, message: Incoming, decoded: Incoming) -> None:
        """Report it if decoding took the `reply_to` from a message."""
        queue, user = message.reply_to, message.user_id
        if not queue or decoded.reply_to:
            return
        self._refused.inc()
        if time.monotonic() >= self._log_at:
            self._log_at = time.monotonic() + LOG_EVERY_SECONDS
            shown = {"queue": ascii(queue[:SHOWN]), "user": user and ascii(user[:SHOWN])}
            self._log.warning("reply_refused", meaning="reply_to names a queue that no reply may go to", **shown)
