"""Numbers stay as they were written, digit by digit, from the body to the event."""

import json
from hashlib import blake2b
from itertools import combinations

import pytest

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import CLOUDEVENTS_TYPE, Incoming, Submission, is_same_body
from distribution.messages.digest import AS_WRITTEN, ROUNDED, rounded_digest
from tests.factories import body, submission_of

NUMBERS = (
    "12345678901234567.89", "12345678901234567.11", "1e-400", "1e15", "1E15", "1e+15", "1", "1.0", "1.00", "1e0", "0",
    "-0", "-0.0", "0.0", "0.1", "0.10", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890",
    "1.7976931348623157e308", "999999999999999999", "1000000000000000000",
)  # fmt: skip


def with_number(number: str) -> Submission:
    """A body with this number in its payload."""
    raw = body().replace(b"null", b'{"amount": [' + number.encode() + b"]}")
    return submission_of(Incoming(raw, message_id="k"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_stays_as_it_was_written(number: str) -> None:
    """Neither the payload nor what is made of it rounds, expands or shortens a number."""
    assert with_number(number).payload == f'{{"amount":[{number}]}}'


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_stays_so_in_a_cloud_event(number: str) -> None:
    """In an envelope, too."""
    data = body().replace(b"null", number.encode())
    event = b'{"specversion": "1.0", "id": "e", "source": "/s", "type": "contact.submit", "data": %s}' % data
    assert submission_of(Incoming(event, content_type=CLOUDEVENTS_TYPE)).payload == number


def test_numbers_written_otherwise_are_other_bodies() -> None:
    """A key with another amount is never taken for a repetition, however small the difference."""
    for one, other in combinations(NUMBERS, 2):
        assert with_number(one).digest != with_number(other).digest, (one, other)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_named(number: str) -> None:
    """NaN is called NaN, not a number that is too large."""
    with pytest.raises(MessageRejected) as refusal:
        with_number(number)
    assert refusal.value.code == ParkedCode.INVALID_JSON
    assert f"holds {number}" in refusal.value.detail


@pytest.mark.parametrize("payload", [9.5, 1e15, 0.1, 1e-7, {"a": [1.5, 2**70, -0.0, "x"]}, [1, 2, 3], "text", None])
def test_a_body_of_the_release_before_is_the_same_body(payload: object) -> None:
    """What was sent before the upgrade and again after it is no reuse of its key: here, as it was digested then."""
    lead = {"external_id": " tg:1 ", "phone": "+79991234567", "email": None}
    content = {"source": "bot", "lead": lead, "payload": payload}
    then = json.dumps(["bot", *lead.values(), payload], separators=(",", ":"), sort_keys=True)
    stored = blake2b(then.encode(), digest_size=16).digest()
    again, other = (
        submission_of(Incoming(json.dumps(content | more).encode(), message_id="k"))
        for more in ({}, {"payload": "another"})
    )
    assert is_same_body(again, stored, ROUNDED)
    assert not is_same_body(other, stored, ROUNDED)


def test_a_rounded_digest_counts_only_for_what_was_rounded() -> None:
    """A contact of today is told by every digit: 0.10 is no repetition of 0.1."""
    short, long = with_number("0.1"), with_number("0.10")
    assert is_same_body(long, short.digest, ROUNDED)
    assert not is_same_body(long, short.digest, AS_WRITTEN)


def test_plain_bodies_have_the_digest_of_the_release_before() -> None:
    """Without fractions nothing changed, so that both releases recognise each other's contacts while one goes."""
    for payload in ([1, -5, 2**70], {"b": "é", "a": ['\x7f\u2028\x01"\\/\b\t']}, {"\ue000": 1, "😀": 2, "": 3}):
        found = submission_of(Incoming(body("x", payload=payload), message_id="k"))
        assert found.digest == rounded_digest(found)
