"""Which contact a submission asks for again: the one with its key, or one of the same body under its former key.

So a message that was sent before an upgrade and again after it, or plain and then as a CloudEvent, is one contact.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.messages import AS_WRITTEN, Submission, is_same_body
from distribution.selection.pool import Source
from distribution.store import contacts as contact_rows
from distribution.store import dedupe_index
from distribution.store.contacts import Contact, ContactKey

Key = tuple[str, str, str]
"""Source code, message_id, producer."""


@dataclass(frozen=True, slots=True)
class Known:
    """A contact, and the digest of the body that came under its key, in a format of `messages.digest`."""

    contact: Contact
    digest: bytes
    format: int


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
) -> dict[Key, Known]:
    """The contacts there are for these submissions, by key."""
    wanted = [(submission, sources[submission.source]) for submission in submissions if submission.source in sources]
    keys = {key for submission, source in wanted for key in _keys(submission, source.id)}
    found = await contact_rows.by_keys(conn, sorted(keys)) if keys else {}
    each = ((key_of(submission), _among(found, submission, source.id)) for submission, source in wanted)
    by_own = {key: Known(contact, contact.digest, contact.format) for key, contact in each if contact is not None}
    return by_own | await _by_further_keys(conn, [pair for pair in wanted if key_of(pair[0]) not in by_own])


async def _by_further_keys(conn: AsyncConnection, wanted: Iterable[tuple[Submission, Source]]) -> dict[Key, Known]:
    further = ((submission, source) for submission, source in wanted if source.has_contact_keys)
    keys = {ContactKey(source.id, s.message_id, s.producer): key_of(s) for s, source in further}
    found = await dedupe_index.by_keys(conn, sorted(keys)) if keys else {}
    return {keys[key]: Known(contact, digest, AS_WRITTEN) for key, (contact, digest) in found.items()}


def _among(found: Mapping[ContactKey, Contact], submission: Submission, source_id: int) -> Contact | None:
    own, *former = (found.get(key) for key in _keys(submission, source_id))
    # With another body its former key is another sender's.
    same = (c for c in former if c and is_same_body(submission, c.digest, c.format))
    return own or next(same, None)


def _keys(submission: Submission, source_id: int) -> Iterable[ContactKey]:
    yield ContactKey(source_id, submission.message_id, submission.producer)
    for message_id in submission.former_ids:
        yield ContactKey(source_id, message_id, "")
