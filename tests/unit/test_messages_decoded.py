"""What a submission means, in each form it may come in."""

import json
from typing import Any

import pytest

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import CLOUDEVENTS_TYPE, Incoming, Submission, decode
from tests.factories import body, submission_of

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def decoded(raw: bytes, **properties: Any) -> Submission:
    """What is understood of a body."""
    return submission_of(Incoming(raw, **({"message_id": "k"} | properties)))


def with_payload(text: bytes) -> bytes:
    """A body whose payload is this JSON text."""
    return body().replace(b"null", text)


def test_the_contracts_example_is_understood() -> None:
    """The example of the contract becomes a submission with every value where it belongs."""
    raw = (
        b'{"source": "telegram-bot", "lead": {"external_id": "tg:1001", "phone": "+79991234567",'
        b' "email": "anna@example.com"}, "payload": {"text": "Where is my order?"}}'
    )
    found = decoded(raw, type="contact.submit", content_type="application/json")
    assert (found.source, found.message_id, found.external_id) == ("telegram-bot", "k", "tg:1001")
    assert (found.phone, found.email) == ("+79991234567", "anna@example.com")
    assert json.loads(found.payload) == {"text": "Where is my order?"}


def test_the_envelope_of_a_cloud_event_counts() -> None:
    """In a CloudEvent the envelope's id and type stand for message_id and the message's type."""
    event = {"specversion": "1.0", "id": "from-envelope", "type": "contact.submit", "data": json.loads(body())}
    found = decoded(json.dumps(event).encode(), content_type=CLOUDEVENTS_TYPE, type="whatever", message_id="other")
    assert (found.message_id, found.source) == ("from-envelope", "telegram-bot")


@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]
)
def test_content_types_of_plain_json(content_type: str | None) -> None:
    """No content type, parameters and capitals are all taken as JSON."""
    assert decoded(body(), content_type=content_type).external_id == "tg:1001"


def test_a_cloud_events_content_type_may_have_parameters() -> None:
    """A charset behind the content type of a CloudEvent changes nothing."""
    content = {"specversion": "1.0", "id": "e", "type": "contact.submit", "data": json.loads(body())}
    event = json.dumps(content).encode()
    assert decoded(event, content_type="application/cloudevents+json; charset=utf-8").message_id == "e"


@pytest.mark.parametrize("blank", [{}, {"phone": None}, {"phone": ""}, {"phone": "  "}, {"phone": None, "email": ""}])
def test_blank_phone_and_email_are_the_same_as_none(blank: dict[str, Any]) -> None:
    """Null, absent and empty are one thing, in the values and in what makes two bodies the same."""
    found = decoded(body("x", **blank))
    assert (found.phone, found.email) == (None, None)
    assert found.digest == decoded(body("x")).digest


def test_unknown_fields_are_ignored() -> None:
    """A bot may send more than is asked for; it neither fails nor makes a different body."""
    content = json.loads(body())
    more = content | {"urgent": True, "lead": content["lead"] | {"nick": "anna"}}
    assert decoded(json.dumps(more).encode()) == decoded(body())


def test_payload_is_optional_and_may_be_any_json_value() -> None:
    """Every JSON value comes through as it is, absent is null."""
    absent = b'{"source": "telegram-bot", "lead": {"external_id": "tg:1001"}}'
    assert decoded(absent) == decoded(body(payload=None))
    for value in (0, -1.5, "", "text", True, [], {}, [None, {"a": [1]}], "ünï 😀", "a\0b", {"": " "}):
        assert json.loads(decoded(body(payload=value)).payload) == value


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, -(10**300), int("9" * 4000)])
def test_big_integers_are_kept_to_the_digit(number: int) -> None:
    """An id longer than 64 bits in the payload is stored as it came, not as a float."""
    assert decoded(with_payload(str(number).encode())).payload == str(number)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b'{"a": [-1e999]}', b"9" * 5000])
def test_numbers_that_no_reader_can_keep_are_refused(number: bytes) -> None:
    """What would come out as NaN or Infinity in an event never gets in."""
    with pytest.raises(MessageRejected) as refusal:
        decoded(with_payload(number))
    assert refusal.value.code == ParkedCode.INVALID_JSON


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_taken_or_refused_but_never_breaks(opening: bytes, closing: bytes) -> None:
    """Ten levels are taken; 300 and 100,000 levels are answered like any other broken message."""
    ten = opening * 10 + b"1" + closing * 10
    assert decoded(with_payload(ten)).payload == ten.decode()
    for depth in (300, 100_000):
        deep = with_payload(opening * depth + b"1" + closing * depth)
        with pytest.raises(MessageRejected) as refusal:
            decode(Incoming(deep, message_id="k"), 2**20)
        assert refusal.value.code == ParkedCode.INVALID_JSON


@pytest.mark.parametrize("key", ["k", "k" * 255, "é" * 127, "with spaces / and: colons", " "])
def test_keys_up_to_255_bytes_are_kept_as_they_are(key: str) -> None:
    """A key is neither trimmed nor changed."""
    assert decoded(body(), message_id=key).message_id == key


def test_lengths_are_counted_in_characters() -> None:
    """255 characters fit, whatever alphabet they are from."""
    for letter in ("x", "ж", "😀"):
        assert decoded(body(letter * 255, phone=letter * 255)).external_id == letter * 255


def test_a_trace_context_is_carried_only_where_it_is_well_formed() -> None:
    """A broken traceparent header costs the trace, not the contact."""
    assert decoded(body(), headers={"traceparent": TRACEPARENT}).traceparent == TRACEPARENT
    wrong: list[object] = [None, 5, "", b"x", TRACEPARENT.upper(), TRACEPARENT + "-x", TRACEPARENT + "\n", ["a"]]
    for value in wrong:
        assert decoded(body(), headers={"traceparent": value}).traceparent is None
