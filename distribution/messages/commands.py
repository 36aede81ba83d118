"""The commands that messages are decoded into."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a contact. `payload` is JSON text; `digest` identifies the body.

    `producer`: the `source` of the CloudEvent whose `id` is the key; empty for every other key. `former_ids`: keys
    under which earlier releases would have stored it, all without a producer. `sent_external_id`: as it was sent,
    if spaces around it were trimmed. Phone and e-mail are normalized already, so that no transaction waits for it.
    """

    source: str
    message_id: str
    external_id: str
    phone: str | None
    email: str | None
    payload: str
    digest: bytes
    traceparent: str | None = None
    phone_normalized: str | None = None
    email_normalized: str | None = None
    producer: str = ""
    former_ids: tuple[str, ...] = ()
    sent_external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """A request to close a contact, named by its id or by the key of its submission: source, message_id, producer.

    `producer` is needed only if contacts of several producers have the message_id. `sources`: codes of
    the sources whose contacts the sender may close by id; None: any.
    """

    contact_id: UUID | None
    source: str | None
    message_id: str | None
    reason: str | None
    sources: frozenset[str] | None = None
    producer: str | None = None

    @property
    def named(self) -> str:
        """Describes the contact in messages to the sender."""
        if self.contact_id:
            return str(self.contact_id)
        of_producer = f" and producer {self.producer!r}" if self.producer else ""
        return f"{self.message_id!r} of source {self.source!r}{of_producer}"


Command = Submission | Closing
