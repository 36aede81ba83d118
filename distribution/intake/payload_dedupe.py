"""A source's `dedupe_window`: within this time the same payload of the same lead is the same contact, under any key.

Exact with any number of workers, because all of it happens under the source's lock.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import first_id_at
from distribution.intake.idempotency import Key
from distribution.messages import Submission, parsed, written
from distribution.selection.pool import Source
from distribution.store import dedupe_keys
from distribution.store.contacts import Contact
from distribution.store.dedupe_keys import FurtherKey, PayloadLookup

DIGESTED_AT_ONCE = 256 * 1024
"""Characters of payloads to hash before yielding to other tasks: about 10 ms."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """New keys that repeat an existing contact, and those that repeat an earlier key of the same transaction.

    `digests`: the payload digests of all new keys of sources with a window.
    """

    contacts: dict[Key, Contact] = field(default_factory=dict)
    firsts: dict[Key, Key] = field(default_factory=dict)
    digests: dict[Key, str] = field(default_factory=dict)

    def __contains__(self, key: Key) -> bool:
        return key in self.contacts or key in self.firsts

    def __iter__(self) -> Iterator[Key]:
        yield from self.contacts
        yield from self.firsts

    def contact_of(self, key: Key, created: Mapping[Key, Contact]) -> Contact:
        """The contact of a new key; `created`: the contacts created in this transaction."""
        return self.contacts.get(key) or created[self.firsts.get(key, key)]


async def find(conn: AsyncConnection, new: Mapping[Key, Submission], sources: Mapping[str, Source]) -> Repeats:
    """The repeats among submissions with new keys, in order; the caller holds their sources' locks.

    The window starts when the existing contact was created, and a repeat does not extend it; a closed contact counts.
    """
    with_window = {key: submission for key, submission in new.items() if sources[key[0]].dedupe_window}
    if not with_window:
        return Repeats()
    repeats = Repeats(digests=await _digests(with_window))
    now = datetime.now(UTC)
    lookups = {_lookup(sources[key[0]], digest, now) for key, digest in repeats.digests.items()}
    existing = await dedupe_keys.by_payloads(conn, sorted(lookups))
    firsts: dict[tuple[int, str], Key] = {}
    for key, digest in repeats.digests.items():
        payload = sources[key[0]].id, digest
        if payload in existing:
            repeats.contacts[key] = existing[payload]
        elif firsts.setdefault(payload, key) != key:
            repeats.firsts[key] = firsts[payload]
    return repeats


def _lookup(source: Source, digest: str, now: datetime) -> PayloadLookup:
    window = timedelta(seconds=source.dedupe_window or 0)
    # Equally far into the future: another worker's clock may be ahead, but a contact beyond that is a clock error.
    return PayloadLookup(source.id, digest, first_id_at(now - window), first_id_at(now + window))


async def _digests(submissions: Mapping[Key, Submission]) -> dict[Key, str]:
    digests, hashed = {}, 0
    for key, submission in submissions.items():
        digests[key] = payload_digest(submission)
        hashed += len(submission.payload)
        if hashed > DIGESTED_AT_ONCE:
            hashed = 0
            await asyncio.sleep(0)
    return digests


async def keep(
    conn: AsyncConnection,
    repeats: Repeats,
    new: Mapping[Key, Submission],
    created: Mapping[Key, Contact],
    sources: Mapping[str, Source],
) -> None:
    """Store the keys of repeats, so that each always names the same contact, and the payload digests of new contacts.

    Call it once the new contacts are written.
    """
    if not repeats.digests:
        return
    keys = [
        FurtherKey(sources[key[0]].id, key[1], key[2], new[key].digest, repeats.contact_of(key, created).id)
        for key in repeats
    ]
    unmarked = {sources[code].id for code, *_ in repeats if not sources[code].has_contact_keys}
    await dedupe_keys.insert(conn, keys, unmarked)
    newest = {
        (sources[key[0]].id, digest): created[key].id for key, digest in repeats.digests.items() if key in created
    }
    await dedupe_keys.keep_payloads(conn, newest)


def payload_digest(submission: Submission) -> str:
    """Identifies a lead and a payload: the order of names does not matter, how numbers are written does."""
    content = written([submission.external_id, parsed(submission.payload)], in_order=True)
    return blake2b(content, digest_size=16).hexdigest()
