"""Replies with the outcome, for senders who set reply_to."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.allocation.close import CloseResult
from distribution.allocation.transaction_result import Result
from distribution.errors import MessageRejected, ParkedCode
from distribution.events import Change, body_of
from distribution.ids import new_id
from distribution.intake.disclosure import event_for
from distribution.intake.earlier_events import CLOSING, FIRST, rebuild_events
from distribution.intake.process_commands import DecodedMessage, MessageOutcome, Outcome
from distribution.intake.submit import SubmitResult
from distribution.messages import Incoming, Submission, storable, traceparent_of
from distribution.store.outbox import Publication


async def replies_to(
    conn: AsyncConnection, result: Result[MessageOutcome], *, last_try: bool = False
) -> list[Publication]:
    """A reply for each message with reply_to: the event of the contact, rebuilt if it is from an earlier transaction.

    It holds what the sender sent itself and nothing that others sent. A deferred message gets no reply yet, unless
    this is the `last_try`.
    """
    with_reply_to = [(m, o) for m, o in result.outcomes if m.message.reply_to and (last_try or not _deferred(o))]
    if not with_reply_to:
        return []
    earlier = await _earlier_changes(conn, [outcome for _, outcome in with_reply_to])
    bodies = {publication.id: publication.body for publication in result.publications}
    replies = []
    for decoded, outcome in with_reply_to:
        if isinstance(outcome, MessageRejected):
            replies.append(_parked_reply(decoded.message, outcome))
        else:
            replies.append(_event_reply(decoded, outcome.change or earlier[outcome.contact.id, type(outcome)], bodies))
    return replies


def _deferred(outcome: Outcome) -> bool:
    return isinstance(outcome, MessageRejected) and outcome.code == ParkedCode.UNKNOWN_CONTACT


async def _earlier_changes(conn: AsyncConnection, outcomes: list[Outcome]) -> dict[tuple[UUID, type], Change]:
    """The events of contacts that were submitted or closed in earlier transactions."""
    submitted = {o.contact.id for o in outcomes if isinstance(o, SubmitResult) and o.change is None}
    closed = {o.contact.id for o in outcomes if isinstance(o, CloseResult) and o.change is None}
    first = await rebuild_events(conn, submitted, FIRST)
    closings = await rebuild_events(conn, closed, CLOSING)
    return {(c.contact_id, SubmitResult): c for c in first} | {(c.contact_id, CloseResult): c for c in closings}


def _event_reply(decoded: DecodedMessage, change: Change, bodies: Mapping[UUID, bytes]) -> Publication:
    shown = event_for(change, decoded.command if isinstance(decoded.command, Submission) else None)
    # Reuses the event's bytes if nothing is left out: payloads may be large.
    body = bodies.get(change.id) if shown is change else None
    return _reply(decoded.message, new_id(), str(change.id), change.type, body or body_of(shown))


def _parked_reply(message: Incoming, why: MessageRejected) -> Publication:
    reply_id = new_id()
    body = events.parked_body(reply_id, str(why.code), why.detail, storable(message.message_id))
    return _reply(message, reply_id, str(reply_id), events.PARKED, body)


def _reply(message: Incoming, reply_id: UUID, event_id: str, kind: str, body: bytes) -> Publication:
    return Publication(
        id=reply_id,
        contact_id=None,
        sequence=0,
        message_id=event_id,
        type=kind,
        routing_key=message.reply_to or "",
        reply=True,
        correlation_id=storable(message.correlation_id) or storable(message.message_id),
        traceparent=traceparent_of(message.headers),
        body=body,
    )
