"""Why the broker dead-lettered a message, in words for its sender; the message is not decoded."""

from collections.abc import Iterator, Mapping
from typing import Any

from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.identifier_salvage import source_and_contact_in
from distribution.messages import Incoming

CAUSES = {
    "expired": "it expired in {queue} before a worker took it{expiration}",
    "maxlen": "{queue} was full: a limit on its length (max-length) moved the oldest messages out",
    "delivery_limit": (
        "it was given out by {queue} more often than the delivery limit allows and never settled: each time its"
        " consumer ended, lost its connection or gave it back"
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
UNSAID = "it does not say why; it may have been published to {queue} directly"
LOOK_AT_IT = "Look at its properties before you replay it."


def death_reason(message: Incoming, inbound: str, dead: str) -> MessageRejected:
    """Why a message is in the queue `dead`; `inbound` is the queue it came from."""
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
    # For a message of which only the beginning is kept, the code that parks it adds the advice.
    rejection = MessageRejected(
        ParkedCode.UNDELIVERED, detail if message.body_size is not None else f"{detail} {advice}"
    )
    rejection.named = source_and_contact_in(message)
    return rejection


def _deaths(headers: Mapping[str, Any], inbound: str) -> Iterator[Mapping[str, Any]]:
    """Entries of `x-death`, newest first, beginning with our queue's. A sender may have written anything there."""
    deaths = headers.get("x-death")
    entries = [entry for entry in deaths if isinstance(entry, dict)] if isinstance(deaths, list) else []
    yield from (entry for entry in entries if entry.get("queue") == inbound)
    yield from entries
