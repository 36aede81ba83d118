"""What senders of messages may do: the sources they may submit to and close contacts of, and where replies may go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import Closing, Command, Incoming, storable
from distribution.reply_queues import ALL_BUT_OWN, ReplyQueues

NO_USER = "There is no user_id; set it to the broker user that you connect as."


@dataclass(frozen=True, slots=True)
class SenderRules:
    """`users`: the sources each broker user may use; empty: every user may use every source."""

    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reply_queues: ReplyQueues = ALL_BUT_OWN

    def addressed(self, message: Incoming) -> Incoming:
        """The message, without its `reply_to` if replies may not go there."""
        queue = message.reply_to
        if queue is None or (storable(queue) and self.reply_queues.allow(queue)):
            return message
        return replace(message, reply_to=None)

    def permitted(self, command: Command | MessageRejected, user: str | None) -> Command | MessageRejected:
        """The command if this user may issue it; a closing by id is limited to contacts of the user's sources."""
        if not self.users:
            return command
        if user is None:
            return _not_allowed(NO_USER, _own_source(command))
        sources = self.users.get(user)
        if sources is None:
            return _not_allowed(f"Broker user {user!r} may use no source.", _own_source(command))
        if command.source is not None and command.source not in sources:
            return _not_allowed(f"Broker user {user!r} may not use source {command.source!r}.", _own_source(command))
        return replace(command, sources=sources) if isinstance(command, Closing) else command


ANYBODY = SenderRules()
"""The rules if nothing is configured."""


def _own_source(command: Command | MessageRejected) -> str | None:
    """The command's source; None if it stands beside a contact id, where it is only the sender's claim."""
    return None if isinstance(command, Closing) and command.contact_id is not None else command.source


def _not_allowed(detail: str, source: str | None) -> MessageRejected:
    return MessageRejected(ParkedCode.NOT_ALLOWED, detail, "user_id", source)
