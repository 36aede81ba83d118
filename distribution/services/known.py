"""Which contact a submission asks for again: the one with its key, or one of the same body under its former key.

So a message that was sent before an upgrade and again after it, or plain and then as a CloudEvent, is one contact.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.messages import Submission, is_same_body
from distribution.selection.pool import Source
from distribution.store import contacts as contact_rows
from distribution.store.contacts import Contact, ContactKey

Key = tuple[str, str, str]
"""Source code, message_id, producer."""


def key_of(submission: Submission) -> Key:
    """What it is known by."""
    return submission.source, submission.message_id, submission.producer


def key_among(first: Mapping[Key, Submission], before: Container[Key], submission: Submission) -> Key:
    """Its key, or the former one, under which a submission of its transaction has the same body."""
    own = key_of(submission)
    if submission.former_ids and own not in before and own not in first:
        for key in ((submission.source, message_id, "") for message_id in submission.former_ids):
            if key in first and first[key].digest == submission.digest:
                return key
    return own


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
    # With another body its former key is another sender's.
    same = (c for c in former if c and is_same_body(submission, c.digest, c.format))
    return own or next(same, None)


def _keys(submission: Submission, source_id: int) -> Iterable[ContactKey]:
    yield ContactKey(source_id, submission.message_id, submission.producer)
    for message_id in submission.former_ids:
        yield ContactKey(source_id, message_id, "")
