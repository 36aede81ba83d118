"""A source's `dedupe_window`: for so long the same payload of the same lead is the same contact, whatever its key.

Exact with any number of workers, since all of it happens under the source's lock.
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
from distribution.store import dedupe_index
from distribution.store.contacts import Contact
from distribution.store.dedupe_index import ContactPayload, FurtherKey, PayloadLookup

DIGESTED_AT_ONCE = 256 * 1024
"""Characters of payloads between two turns of other tasks: some 10 ms."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Which new keys stand for contacts that there are, and which for the first of the same payload beside them.

    `digests`: of all new keys of sources with a window.
    """

    contacts: dict[Key, Contact] = field(default_factory=dict)
    firsts: dict[Key, Key] = field(default_factory=dict)
    digests: dict[Key, str] = field(default_factory=dict)

    def __contains__(self, key: Key) -> bool:
        return key in self.contacts or key in self.firsts

    def __iter__(self) -> Iterator[Key]:
        yield from self.contacts
        yield from self.firsts

    def contact_of(self, key: Key, made: Mapping[Key, Contact]) -> Contact:
        """The contact that a new key stands for; `made`: those of this transaction."""
        return self.contacts.get(key) or made[self.firsts.get(key, key)]


async def find(conn: AsyncConnection, new: Mapping[Key, Submission], sources: Mapping[str, Source]) -> Repeats:
    """The repeats among submissions, in their order, by keys that were not used before; under their sources' locks.

    The window begins with the contact that there is, and a repeat does not prolong it; a closed contact counts too.
    """
    windowed = {key: submission for key, submission in new.items() if sources[key[0]].dedupe_window}
    if not windowed:
        return Repeats()
    repeats = Repeats(digests=await _digests(windowed))
    now = datetime.now(UTC)
    wanted = {_looked(sources[key[0]], digest, now) for key, digest in repeats.digests.items()}
    known = await dedupe_index.by_payloads(conn, sorted(wanted))
    firsts: dict[tuple[int, str], Key] = {}
    for key, digest in repeats.digests.items():
        payload = sources[key[0]].id, digest
        if payload in known:
            repeats.contacts[key] = known[payload]
        elif firsts.setdefault(payload, key) != key:
            repeats.firsts[key] = firsts[payload]
    return repeats


def _looked(source: Source, digest: str, now: datetime) -> PayloadLookup:
    window = timedelta(seconds=source.dedupe_window or 0)
    # As far into the future too: another worker's clock may be ahead, but a far-off contact is a clock's fault.
    return PayloadLookup(source.id, digest, first_id_at(now - window), first_id_at(now + window))


async def _digests(submissions: Mapping[Key, Submission]) -> dict[Key, str]:
    found, digested = {}, 0
    for key, submission in submissions.items():
        found[key] = payload_digest(submission)
        digested += len(submission.payload)
        if digested > DIGESTED_AT_ONCE:
            digested = 0
            await asyncio.sleep(0)
    return found


async def keep(
    conn: AsyncConnection,
    repeats: Repeats,
    new: Mapping[Key, Submission],
    made: Mapping[Key, Contact],
    sources: Mapping[str, Source],
) -> None:
    """Keep the keys of repeats, so that each is the same contact for ever, and the payloads of new contacts.

    To be called once the new contacts are written.
    """
    if not repeats.digests:
        return
    keys = [
        FurtherKey(sources[key[0]].id, key[1], key[2], new[key].digest, repeats.contact_of(key, made).id)
        for key in repeats
    ]
    unmarked = {sources[code].id for code, *_ in repeats if not sources[code].has_contact_keys}
    await dedupe_index.insert(conn, keys, unmarked)
    payloads = [
        ContactPayload(sources[key[0]].id, digest, made[key].id)
        for key, digest in repeats.digests.items()
        if key in made
    ]
    await dedupe_index.keep_payloads(conn, payloads)


def payload_digest(submission: Submission) -> str:
    """Tells a lead and a payload from any other: the order of names does not matter, how numbers are written does."""
    content = written([submission.external_id, parsed(submission.payload)], in_order=True)
    return blake2b(content, digest_size=16).hexdigest()
