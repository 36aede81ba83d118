"""The source and contact that an undecodable message names: for listing it only, never for a decision."""

import re
import zlib
from base64 import b64decode
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from uuid import UUID

from distribution.errors import SourceAndContact
from distribution.messages import Incoming

SCANNED_BYTES = 256 * 1024
"""Bytes of a body that are scanned; takes at most 10 ms."""
GZIP_MAGIC, GZIP_WINDOW = b"\x1f\x8b", 31
SOURCE = re.compile(rb"[a-z0-9_-]{1,64}")
OBJECT = re.compile(rb'\{\s*+"')
FIELD = re.compile(
    rb'"(source|contact_id|specversion|data|data_base64)"\s*+:\s*+(?:"([^"\\]*+)"|(\{))',
)
# Also matches a string without an end: so no byte is ever scanned twice.
TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
BEFORE_A_NAME = (b"{", b",")
SPACES = 64
"""How many characters before a name are examined."""

Fields = Mapping[bytes, re.Match[bytes]]


def source_and_contact_in(message: Incoming) -> SourceAndContact:
    """The source and the contact that the body names, as far as it can be read."""
    body = _beginning(message.body)
    begin = OBJECT.search(body)
    fields = _fields(body, begin.start() if begin else len(body))
    if b"specversion" in fields or (message.content_type or "").strip().lower().startswith("application/cloudevents"):
        fields = _fields_of_data(body, fields)
    source, contact_id = _text(fields, b"source"), _text(fields, b"contact_id")
    return SourceAndContact(source.decode() if SOURCE.fullmatch(source) else None, _uuid(contact_id))


def _beginning(body: bytes) -> bytes:
    if body.startswith(GZIP_MAGIC):
        try:
            body = zlib.decompressobj(GZIP_WINDOW).decompress(body, SCANNED_BYTES)
        except zlib.error:
            return b""
    body = body[:SCANNED_BYTES]
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return body.decode("utf-16", "ignore").encode(errors="ignore")
    return body


def _fields(body: bytes, at: int = 0) -> Fields:
    """The fields of interest of the object that begins at `at`; if a name is repeated, the first."""
    fields: dict[bytes, re.Match[bytes]] = {}
    depth = 0
    for match in FIELD.finditer(body, at):
        depth, at = _depth_after(body[at : match.start()], depth), match.start()
        if depth < 1:
            break
        if depth == 1 and body[max(0, at - SPACES) : at].rstrip()[-1:] in BEFORE_A_NAME:
            fields.setdefault(match[1], match)
        at = match.end() if match[3] is None else match.start(3)
    return fields


def _depth_after(part: bytes, depth: int) -> int:
    """The nesting depth after this part of a body; 0 as soon as the outermost bracket is closed."""
    for bracket in TEXT.sub(b"", part).translate(None, NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth < 1:
            return 0
    return depth


def _fields_of_data(body: bytes, fields: Fields) -> Fields:
    data = fields.get(b"data")
    if data is not None and data[3] is not None:
        return _fields(body, data.start(3))
    try:
        return _fields(b64decode(_text(fields, b"data_base64")))
    except ValueError:
        return {}


def _text(fields: Fields, name: bytes) -> bytes:
    return (fields[name][2] or b"") if name in fields else b""


def _uuid(text: bytes) -> UUID | None:
    try:
        return UUID(text.decode("ascii"))
    except ValueError:
        return None
