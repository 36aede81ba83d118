"""Why the broker gave a message up, in words for its sender: nothing here decodes the message."""

from collections.abc import Iterator, Mapping
from typing import Any

from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.identifier_salvage import source_and_contact_in
from distribution.messages import Incoming

CAUSES = {
    "expired": "it expired in {queue} before a worker took it{expiration}",
    "maxlen": "{queue} was full: a limit on its length (max-length) moved the oldest messages out",
    "delivery_limit": (
        "it was given out by {queue} more often than the delivery limit allows and never settled: each time whoever"
        " had it ended, lost its connection or gave it back"
    ),
    "rejected": "a consumer of {queue} rejected it, which our workers never do",
}
ADVICE = {
    "expired": "Replay it, or publish without an expiration.",
    "maxlen": "Replay it, and have the limit lifted or more workers run.",
    "delivery_limit": "It may be what ends workers: find out (their logs) before you replay it.",
    "rejected": "Find out which other program consumes the queue, then replay it.",
}
BY_POLICY = "Replay it, and have the limit on the time in the queue (message-ttl) lifted."
UNSAID = "it does not say why; somebody may have published it to {queue}"
LOOK_AT_IT = "Look at its properties before you replay it."


def death_reason(message: Incoming, inbound: str, dead: str) -> MessageRejected:
    """Why a message is in the queue `dead`; `inbound` is where the broker takes them from."""
    death = next(_deaths(message.headers, inbound), {})
    reason, queue = str(death.get("reason")), str(death.get("queue", dead))
    expiration = str(death.get("original-expiration", ""))
    cause = CAUSES.get(reason, UNSAID).format(
        queue=queue if queue in (inbound, dead) else repr(queue[:255]),
        expiration=f" (expiration {expiration[:20]} ms)" if expiration.isdecimal() else "",
    )
    advice = ADVICE.get(reason, LOOK_AT_IT)
    if reason == "expired" and not expiration:
        advice = BY_POLICY
    detail = f"The broker gave the message up: {cause}."
    # Of a message that is not whole the one who parks it says what to do.
    why = MessageRejected(ParkedCode.UNDELIVERED, detail if message.body_size is not None else f"{detail} {advice}")
    why.named = source_and_contact_in(message)
    return why


def _deaths(headers: Mapping[str, Any], inbound: str) -> Iterator[Mapping[str, Any]]:
    """Entries of `x-death`, the newest of our queue first. A sender may have written anything there."""
    said = headers.get("x-death")
    entries = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    yield from (each for each in entries if each.get("queue") == inbound)
    yield from entries
