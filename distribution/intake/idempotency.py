"""Finds the contact of a repeated submission: the one with its key, or with the same body under a former key.

So a message sent before an upgrade and again after it, or plain and then as a CloudEvent, is one contact.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.messages import AS_WRITTEN, Submission, is_same_body
from distribution.selection.pool import Source
from distribution.store import contacts as contact_rows
from distribution.store import dedupe_keys
from distribution.store.contacts import Contact, ContactKey

Key = tuple[str, str, str]
"""Source code, message_id, producer."""


@dataclass(frozen=True, slots=True)
class ExistingContact:
    """A contact, and the digest of the body submitted under its key, in a format of `messages.digest`."""

    contact: Contact
    digest: bytes
    format: int


def key_of(submission: Submission) -> Key:
    """The idempotency key of a submission."""
    return submission.source, submission.message_id, submission.producer


def key_among(first: Mapping[Key, Submission], before: Container[Key], submission: Submission) -> Key:
    """The key of a submission, or its former key if an earlier one of the transaction has it and the same body."""
    own = key_of(submission)
    if submission.former_ids and own not in before and own not in first:
        for key in ((submission.source, message_id, "") for message_id in submission.former_ids):
            if key in first and first[key].digest == submission.digest:
                return key
    return own


async def existing_contacts(
    conn: AsyncConnection, submissions: Sequence[Submission], sources: Mapping[str, Source]
) -> dict[Key, ExistingContact]:
    """The existing contacts of these submissions, by key."""
    with_sources = [
        (submission, sources[submission.source]) for submission in submissions if submission.source in sources
    ]
    keys = {key for submission, source in with_sources for key in _possible_keys(submission, source.id)}
    contacts = await contact_rows.by_keys(conn, sorted(keys)) if keys else {}
    by_own = {}
    for submission, source in with_sources:
        if (contact := _match(contacts, submission, source.id)) is not None:
            by_own[key_of(submission)] = ExistingContact(contact, contact.digest, contact.format)
    return by_own | await _by_further_keys(conn, [pair for pair in with_sources if key_of(pair[0]) not in by_own])


async def _by_further_keys(
    conn: AsyncConnection, with_sources: Iterable[tuple[Submission, Source]]
) -> dict[Key, ExistingContact]:
    further = ((submission, source) for submission, source in with_sources if source.has_contact_keys)
    keys = {ContactKey(source.id, s.message_id, s.producer): key_of(s) for s, source in further}
    matches = await dedupe_keys.by_keys(conn, sorted(keys)) if keys else {}
    return {keys[key]: ExistingContact(contact, digest, AS_WRITTEN) for key, (contact, digest) in matches.items()}


def _match(contacts: Mapping[ContactKey, Contact], submission: Submission, source_id: int) -> Contact | None:
    own, *former = (contacts.get(key) for key in _possible_keys(submission, source_id))
    # If the body differs, another sender used the former key.
    same = (c for c in former if c and is_same_body(submission, c.digest, c.format))
    return own or next(same, None)


def _possible_keys(submission: Submission, source_id: int) -> Iterable[ContactKey]:
    yield ContactKey(source_id, submission.message_id, submission.producer)
    for message_id in submission.former_ids:
        yield ContactKey(source_id, message_id, "")
