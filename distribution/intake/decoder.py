"""Decodes messages within a process's limits, and within what their senders may do."""

from dataclasses import dataclass, replace

from distribution.errors import MessageRejected
from distribution.intake.identifier_salvage import source_and_contact_in
from distribution.intake.process_commands import DecodedMessage
from distribution.intake.sender_rules import ANYBODY, SenderRules
from distribution.messages import Command, Incoming, decode


@dataclass(frozen=True, slots=True)
class Decoder:
    """`phone_region`: the country assumed for phone numbers without a country code."""

    max_bytes: int
    phone_region: str = ""
    sender_rules: SenderRules = ANYBODY

    def decode(self, message: Incoming) -> DecodedMessage:
        """The message with its command, or with the reason for its rejection."""
        command = self.sender_rules.permitted(self._command(message), message.user_id)
        if isinstance(command, MessageRejected) and command.source is None:
            # Here, because no locks are held yet.
            command.named = source_and_contact_in(message)
        return DecodedMessage(self.sender_rules.addressed(message), command)

    def for_any_sender(self) -> "Decoder":
        """A decoder for messages that an admin replays: it ignores who sent them."""
        return replace(self, sender_rules=SenderRules(reply_queues=self.sender_rules.reply_queues))

    def _command(self, message: Incoming) -> Command | MessageRejected:
        try:
            return decode(message, self.max_bytes, self.phone_region)
        except MessageRejected as rejected:
            # A result from here on: its traceback would keep alive every frame it passed through, and so the batch.
            rejected.__context__ = rejected.__cause__ = None
            return rejected.with_traceback(None)
