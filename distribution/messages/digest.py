"""Digests that identify bodies."""

import json
from hashlib import blake2b

from distribution.messages.commands import Submission
from distribution.messages.lossless_json import written

ROUNDED = 0
"""Format of a contact written by a release that rounded numbers and stored no producers."""
AS_WRITTEN = 1
"""The current format: the digest covers every digit, and the key includes the producer."""
SIZE = 16
# How earlier releases encoded bodies for digests: floats as Python writes them.
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def digest_of(source: str, external_id: str, phone: str | None, email: str | None, payload: object) -> bytes:
    """The digest of a body whose payload `parsed` read: the order of names and white space do not matter."""
    return _hash(written([source, external_id, phone, email, payload], in_order=True))


def is_same_body(submission: Submission, digest: bytes, format_: int) -> bool:
    """Whether a contact with this digest, in this format, was submitted with the same body."""
    return digest == submission.digest or (format_ == ROUNDED and digest == rounded_digest(submission))


def rounded_digest(submission: Submission) -> bytes:
    """The digest of this body in releases that rounded numbers."""
    s = submission
    external_id = s.external_id if s.sent_external_id is None else s.sent_external_id
    canonical = ENCODER.encode([s.source, external_id, s.phone, s.email, json.loads(s.payload)])
    return _hash(canonical.encode())


def _hash(canonical: bytes) -> bytes:
    return blake2b(canonical, digest_size=SIZE).digest()
