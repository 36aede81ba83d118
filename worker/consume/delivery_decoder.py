"""What is decode of a delivery, within what its sender may do."""

import time

import structlog

from distribution.intake.process_commands import DecodedMessage
from distribution.messages import Incoming
from worker.metrics import Metrics
from worker.settings import WorkerSettings

SAID_EVERY_SECONDS = 60.0
SHOWN = 100


class DeliveryDecoder:
    """Understands messages; counts those whose `reply_to` may not be used, and logs one of them a minute."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics) -> None:
        self._decoder, self._refused = settings.decoder, metrics.replies_refused
        self._say_at = 0.0
        self._log = structlog.get_logger("worker.consume.delivery_decoder")

    def decode(self, message: Incoming) -> DecodedMessage:
        """The message with its command, or with the reason why there is none."""
        arrival = self._decoder.decode(message)
        if message.reply_to and not arrival.message.reply_to:
            self._refuse(message, message.reply_to)
        return arrival

    def _refuse(self, message: Incoming, queue: str) -> None:
        self._refused.inc()
        if time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + SAID_EVERY_SECONDS
            shown = {"queue": ascii(queue[:SHOWN]), "user": message.user_id and ascii(message.user_id[:SHOWN])}
            self._log.warning("reply_refused", meaning="reply_to names a queue that no reply may go to", **shown)
