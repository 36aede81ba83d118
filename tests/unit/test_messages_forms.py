"""Bodies as they come: packed, with a byte order mark, with half an emoji, or in a form that is named and not taken."""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import Incoming, decode
from tests.factories import MAX_BYTES, body, submission_of


def rejected(raw: bytes, **properties: Any) -> MessageRejected:
    """The refusal of a body."""
    with pytest.raises(MessageRejected) as refusal:
        decode(Incoming(raw, **({"message_id": "k"} | properties)), MAX_BYTES)
    return refusal.value


@pytest.mark.parametrize(
    "encoding", [None, "", "utf-8", "UTF-8", "utf8", "identity", " identity ", "binary", "8bit", "7bit"]
)
def test_words_for_no_packing_are_taken(encoding: str | None) -> None:
    """What kombu, Celery and Spring put into content_encoding beside plain JSON costs nobody a contact."""
    assert submission_of(Incoming(body(), message_id="k", content_encoding=encoding)).source == "telegram-bot"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP"])
def test_gzip_is_unpacked(encoding: str) -> None:
    """A packed body is the same body, up to the last byte of the limit."""
    raw = body().ljust(MAX_BYTES)
    found = submission_of(Incoming(gzip.compress(raw), message_id="k", content_encoding=encoding))
    assert found == submission_of(Incoming(body(), message_id="k"))


def test_what_unpacks_to_more_than_the_limit_is_too_large() -> None:
    """A small body that would fill the memory is given up after as many bytes as are taken at most."""
    bomb = gzip.compress(body().ljust(MAX_BYTES + 1))
    assert len(bomb) < MAX_BYTES
    assert rejected(bomb, content_encoding="gzip").code == ParkedCode.TOO_LARGE
    vast = gzip.compress(b" " * 200_000_000)
    assert len(vast) < MAX_BYTES
    assert rejected(vast, content_encoding="gzip").code == ParkedCode.TOO_LARGE


@pytest.mark.parametrize("encoding", ["br", "deflate", "x-whatever", "gzip, gzip", "utf-16"])
def test_another_encoding_is_named(encoding: str) -> None:
    """The sender reads which encoding is not taken, and which are."""
    refusal = rejected(body(), content_encoding=encoding)
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, "content_encoding")
    assert repr(encoding) in refusal.detail
    assert "gzip" in refusal.detail


@pytest.mark.parametrize(
    "raw",
    [body(), b"", gzip.compress(body())[:-9], gzip.compress(body()) + b"more"],
    ids=["not packed", "empty", "cut", "more behind it"],
)
def test_what_is_not_gzip_is_told_so(raw: bytes) -> None:
    """A body that only claims to be packed is not taken for broken JSON."""
    refusal = rejected(raw, content_encoding="gzip")
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, "content_encoding")


def test_gzip_without_a_word_is_recognised() -> None:
    """A sender who packs and does not say so reads what to set."""
    assert "set it to gzip" in rejected(gzip.compress(body())).detail


@pytest.mark.parametrize(("name", "pack"), [("zlib", zlib.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_what_kombu_packs_is_named(name: str, pack: Callable[[bytes], bytes]) -> None:
    """Kombu's `compression` leaves content_encoding at utf-8, so the sender reads what the body is."""
    detail = rejected(pack(body()), content_encoding="utf-8").detail
    assert f"packed with {name}" in detail
    assert "content_encoding gzip" in detail


def test_a_byte_order_mark_is_skipped() -> None:
    """What Windows puts before UTF-8 is no part of the JSON, packed or not."""
    marked = b"\xef\xbb\xbf" + body()
    for message in (
        Incoming(marked, message_id="k"),
        Incoming(gzip.compress(marked), message_id="k", content_encoding="gzip"),
    ):
        assert submission_of(message) == submission_of(Incoming(body(), message_id="k"))


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_codings_are_named(coding: str) -> None:
    """UTF-16 and UTF-32 are called by their names, with and without a byte order mark."""
    for text in (body().decode(), "[]", '"Ä"'):
        refusal = rejected(text.encode(coding))
        assert refusal.code == ParkedCode.INVALID_JSON
        assert coding[:6].upper() in refusal.detail
        assert "UTF-8" in refusal.detail


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "windows-1251", '"latin1"', "x"])
def test_another_charset_is_named(charset: str) -> None:
    """A content type that names another charset is refused by it, not guessed at."""
    refusal = rejected(body(), content_type=f"application/json; charset={charset}")
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, "content_type")
    assert charset.strip('"') in refusal.detail


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "utf8", "us-ascii", "US-ASCII ; x=y"])
def test_charsets_that_are_utf8_are_taken(charset: str) -> None:
    """The same charset, whatever it is called; ASCII is part of it."""
    assert submission_of(Incoming(body(), message_id="k", content_type=f"application/json;charset={charset}"))


@pytest.mark.parametrize(
    ("raw", "section"),
    [
        (b"\0Sw\xa1\x07" + b'{"a":1}', "amqp-value"),
        (b"\0Sw\xb1\0\0\x01\0" + b"x" * 256, "amqp-value"),
        (b"\0Sw\xa0\x02\xff\xfe", "amqp-value"),
        (b"\0\x80\0\0\0\0\0\0\0w\xa1\x02{}", "amqp-value"),
        (b"\0Sv\xc0\x01\0", "amqp-sequence"),
        (b"\0Su\xa0\x02{}\0Su\xa0\x02{}", "data"),
    ],
)
def test_sections_of_amqp_1_0_are_named(raw: bytes, section: str) -> None:
    """A client of AMQP 1.0 that sends a value where bytes belong reads just that, with and without RabbitMQ's type."""
    for kind in (None, "amqp-1.0"):
        refusal = rejected(raw, type=kind)
        assert refusal.code == ParkedCode.INVALID_JSON
        assert f"AMQP 1.0 {section} section" in refusal.detail
        assert "data section" in refusal.detail


@pytest.mark.parametrize("half", ["\\ud83d", "\\uD83D", "\\ude00", "\\udc00\\ud83d"])
def test_half_an_emoji_becomes_the_replacement_character(half: str) -> None:
    """What JavaScript's slice cuts in two parks nothing: U+FFFD stands in its place, in names, keys and values."""
    broken = "\ufffd" * half.count("\\")
    raw = '{"source": "bot", "lead": {"external_id": "tg:%s"}, "message_id": "k%s", "payload": {"%s": "cut %s"}}'
    found = submission_of(Incoming((raw % ((half,) * 4)).encode()))
    assert (found.external_id, found.message_id) == (f"tg:{broken}", f"k{broken}")
    assert json.loads(found.payload) == {broken: f"cut {broken}"}


def test_whole_emoji_and_escaped_backslashes_stay() -> None:
    """Only halves are replaced: a pair is a character, and a backslash before u is one too."""
    raw = body().replace(b"null", rb'["\ud83d\ude00", "\uD83D\uDE00", "\\ud83d", "\\\ud83d", "\u00e9"]')
    found = submission_of(Incoming(raw, message_id="k"))
    assert json.loads(found.payload) == ["😀", "😀", "\\ud83d", "\\\ufffd", "é"]


def test_lone_surrogates_that_are_no_escapes_are_no_utf8() -> None:
    """Bytes that no UTF-8 has are still refused, and the first of them is named."""
    refusal = rejected(body().replace(b"tg:", b"\xed\xa0\x80"))
    assert refusal.code == ParkedCode.INVALID_JSON
    assert "byte 53" in refusal.detail
