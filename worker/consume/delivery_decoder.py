"""Decodes messages, within what their senders may do."""

import time

import structlog

from distribution.intake.process_commands import DecodedMessage
from distribution.messages import Incoming
from worker.metrics import Metrics
from worker.settings import WorkerSettings

LOG_EVERY_SECONDS = 60.0
SHOWN = 100


class DeliveryDecoder:
    """Decodes messages; counts those whose `reply_to` may not be used, and logs one of them a minute."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics) -> None:
        self._decoder, self._refused_replies = settings.decoder, metrics.replies_refused
        self._log_at = 0.0
        self._log = structlog.get_logger("worker.consume.delivery_decoder")

    def decode(self, message: Incoming) -> DecodedMessage:
        """The message with its command, or with the reason why it has none."""
        decoded = self._decoder.decode(message)
        if message.reply_to and not decoded.message.reply_to:
            self._report_refused(message, message.reply_to)
        return decoded

    def _report_refused(self, message: Incoming, queue: str) -> None:
        self._refused_replies.inc()
        if time.monotonic() >= self._log_at:
            self._log_at = time.monotonic() + LOG_EVERY_SECONDS
            shown = {"queue": ascii(queue[:SHOWN]), "user": message.user_id and ascii(message.user_id[:SHOWN])}
            self._log.warning("reply_refused", meaning="reply_to names a queue that no reply may go to", **shown)
