"""Decodes the body of a message to text. JSON is UTF-8; any other form is rejected by name."""

import re
import zlib

from distribution.errors import MessageRejected, ParkedCode

# kombu, Celery and Spring put the charset where the encoding belongs; `binary` is kombu's.
UNCOMPRESSED = frozenset({"", "utf-8", "utf8", "identity", "binary", "8bit", "7bit"})
GZIP = "gzip"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_MAGIC = b"\x1f\x8b"
# What kombu's `compression` produces; kombu names it in a header of its own ("gzip" means zlib there).
PACKED = (
    ("zlib", re.compile(rb"\x78[\x01\x5e\x9c\xda]")),
    ("bzip2", re.compile(rb"BZh[1-9]")),
    ("xz", re.compile(rb"\xfd7zXZ")),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd")),
)
UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";]*)", re.IGNORECASE)
# Eight bytes suffice: JSON begins with white space or ASCII, and contains no NUL.
AMQP_SECTION = re.compile(rb"\0(?:S|\x80\0{7})([uvw])")
SECTIONS = {b"u": "data", b"v": "amqp-sequence", b"w": "amqp-value"}
OTHER_CODING = (
    ("UTF-32", re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff|\0\0\0[^\0]|[^\0]\0\0\0", re.DOTALL)),
    ("UTF-16", re.compile(rb"\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0", re.DOTALL)),
)
MAX_QUOTED = 100


def text_of(body: bytes, max_bytes: int, content_encoding: str | None = None, content_type: str | None = None) -> str:
    """The body as text, decompressed to at most `max_bytes`, without a byte order mark; raises MessageRejected."""
    body = _decompressed(body, max_bytes, (content_encoding or "").strip())
    _refuse_charset(content_type)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(body, error) from None
    if "\0" in text[:4]:
        raise _rejected(_other_form(body) or "The body begins with NUL; send JSON in UTF-8.")
    return text.removeprefix("\ufeff")


def _decompressed(body: bytes, max_bytes: int, encoding: str) -> bytes:
    name = encoding.lower()
    if name in UNCOMPRESSED:
        return body
    if name != GZIP:
        detail = f"content_encoding is {encoding[:MAX_QUOTED]!r}; send the body as it is (utf-8, identity), or {GZIP}."
        raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_encoding")
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        unpacked = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise _not_gzip("is not") from None
    if len(unpacked) > max_bytes:
        detail = f"The body unpacks to more than {max_bytes} bytes, which is the most that is taken."
        raise MessageRejected(ParkedCode.TOO_LARGE, detail)
    if not stream.eof or stream.unused_data:
        raise _not_gzip("ends too early to be" if not stream.eof else "goes on after the end of its")
    return unpacked


def _not_gzip(what: str) -> MessageRejected:
    detail = f"content_encoding is {GZIP}, but the body {what} {GZIP}."
    return MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_encoding")


def _refuse_charset(content_type: str | None) -> None:
    match = CHARSET.search(content_type) if content_type and ";" in content_type else None
    if match and match[1].strip().lower() not in UTF8:
        detail = f"content_type names the charset {match[1].strip()[:MAX_QUOTED]!r}; send JSON in UTF-8."
        raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_type")


def _not_utf8(body: bytes, error: UnicodeDecodeError) -> MessageRejected:
    if body.startswith(GZIP_MAGIC):
        return _rejected(f"The body is packed with {GZIP}, but content_encoding does not say so; set it to {GZIP}.")
    return _rejected(_other_form(body) or f"The body is not UTF-8 (byte {error.start + 1}); send JSON in UTF-8.")


def _other_form(body: bytes) -> str | None:
    """Describe the form of a body that is not UTF-8, judging by its first bytes; None if it is unknown."""
    if section := AMQP_SECTION.match(body):
        name = SECTIONS[section[1]]
        return f"The body came as an AMQP 1.0 {name} section; send the JSON as the bytes of a single data section."
    for packing, beginning in PACKED:
        if beginning.match(body):
            return f"The body is packed with {packing}; send it as it is, or as {GZIP} with content_encoding {GZIP}."
    for coding, beginning in OTHER_CODING:
        if beginning.match(body):
            return f"The body is {coding}; send JSON in UTF-8."
    return None


def _rejected(detail: str) -> MessageRejected:
    return MessageRejected(ParkedCode.INVALID_JSON, detail)
