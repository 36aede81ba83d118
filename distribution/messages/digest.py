"""A digest that identifies a body."""

import json
from hashlib import blake2b

from distribution.messages.commands import Submission
from distribution.messages.lossless_json import written

ROUNDED = 0
"""Format of a contact that was written by a release which rounded numbers and knew no producers."""
AS_WRITTEN = 1
"""Format of a contact now: its digest knows every digit, its key its producer."""
SIZE = 16
# What the releases before wrote digests with: floats as Python writes them.
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def digest_of(source: str, external_id: str, phone: str | None, email: str | None, payload: object) -> bytes:
    """The digest of a body with a payload as `parsed` reads it: the order of names and white space do not count."""
    return _hash(written([source, external_id, phone, email, payload], in_order=True))


def is_same_body(submission: Submission, digest: bytes, written_as: int) -> bool:
    """Whether a contact with this digest, in this format, was asked for with the same body."""
    return digest == submission.digest or (written_as == ROUNDED and digest == rounded_digest(submission))


def rounded_digest(submission: Submission) -> bytes:
    """The digest that releases which rounded numbers gave this body."""
    s = submission
    external_id = s.external_id if s.sent_external_id is None else s.sent_external_id
    canonical = ENCODER.encode([s.source, external_id, s.phone, s.email, json.loads(s.payload)])
    return _hash(canonical.encode())


def _hash(canonical: bytes) -> bytes:
    return blake2b(canonical, digest_size=SIZE).digest()
