"""Which contact a submission asks for again: the one with its key, or the one that an earlier release made of it."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.messages import ROUNDED, Submission, is_same_body
from distribution.selection.pool import Source
from distribution.store import contacts as contact_rows
from distribution.store.contacts import Contact, ContactKey

Key = tuple[str, str, str]
"""Source code, message_id, producer."""


def key_of(submission: Submission) -> Key:
    """What it is known by."""
    return submission.source, submission.message_id, submission.producer


async def known(
    conn: AsyncConnection, submissions: Sequence[Submission], sources: Mapping[str, Source]
) -> dict[Key, Contact]:
    """The contacts there are for these submissions, by key."""
    wanted = [(submission, sources[submission.source].id) for submission in submissions if submission.source in sources]
    keys = {key for submission, source_id in wanted for key in _keys(submission, source_id)}
    found = await contact_rows.by_keys(conn, sorted(keys)) if keys else {}
    each = ((key_of(submission), _among(found, submission, source_id)) for submission, source_id in wanted)
    return {key: contact for key, contact in each if contact is not None}


def _among(found: Mapping[ContactKey, Contact], submission: Submission, source_id: int) -> Contact | None:
    own, *former = (found.get(key) for key in _keys(submission, source_id))
    return own or next((contact for contact in former if contact and _was_made_of(contact, submission)), None)


def _was_made_of(contact: Contact, submission: Submission) -> bool:
    """Whether an earlier release made it of this body: since then its former key may be another sender's."""
    return contact.format == ROUNDED and is_same_body(submission, contact.digest, contact.format)


def _keys(submission: Submission, source_id: int) -> Iterable[ContactKey]:
    yield ContactKey(source_id, submission.message_id, submission.producer)
    for message_id in submission.former_ids:
        yield ContactKey(source_id, message_id, "")
