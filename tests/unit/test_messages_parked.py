"""What a bot is told when its message cannot become a contact."""

import json

import pytest

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import CLOUDEVENTS_TYPE, Incoming, decode
from tests.factories import MAX_BYTES, body, submission_of


def rejected(message: Incoming) -> MessageRejected:
    """The refusal of a message that must not be understood."""
    with pytest.raises(MessageRejected) as refusal:
        decode(message, MAX_BYTES)
    return refusal.value


def envelope(**attributes: object) -> Incoming:
    """A CloudEvent with the given attributes."""
    event = {"specversion": "1.0", "source": "/bot"} | attributes
    return Incoming(json.dumps(event).encode(), content_type=CLOUDEVENTS_TYPE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b'{"source": ',
        b"[]",
        b'"text"',
        b"null",
        b"17",
        body() + b"x",
        b"\xff" + body(),
        body().replace(b"tg:", b"\xc3\x28"),
        body().decode().encode("utf-16"),
        body().replace(b"tg:", b"\xed\xa0\x80"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_parked_as_invalid_json(raw: bytes) -> None:
    """A body that is not UTF-8, not JSON or not an object is told so, alone or as a CloudEvent."""
    assert rejected(Incoming(raw, message_id="k")).code == ParkedCode.INVALID_JSON
    assert rejected(Incoming(raw, content_type=CLOUDEVENTS_TYPE)).code == ParkedCode.INVALID_JSON


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"lead": {"external_id": "x"}}, "source"),
        ({"source": "", "lead": {"external_id": "x"}}, "source"),
        ({"source": "Bot", "lead": {"external_id": "x"}}, "source"),
        ({"source": "bot\n", "lead": {"external_id": "x"}}, "source"),
        ({"source": "b" * 65, "lead": {"external_id": "x"}}, "source"),
        ({"source": 5, "lead": {"external_id": "x"}}, "source"),
        ({"source": "bot"}, "lead"),
        ({"source": "bot", "lead": None}, "lead"),
        ({"source": "bot", "lead": "x"}, "lead"),
        ({"source": "bot", "lead": {}}, "lead.external_id"),
        ({"source": "bot", "lead": {"external_id": ""}}, "lead.external_id"),
        ({"source": "bot", "lead": {"external_id": 1001}}, "lead.external_id"),
        ({"source": "bot", "lead": {"external_id": "x" * 256}}, "lead.external_id"),
        ({"source": "bot", "lead": {"external_id": "a\0b"}}, "lead.external_id"),
        ({"source": "bot", "lead": {"external_id": "x", "phone": 7999}}, "lead.phone"),
        ({"source": "bot", "lead": {"external_id": "x", "phone": "7\0"}}, "lead.phone"),
        ({"source": "bot", "lead": {"external_id": "x", "phone": "7" * 256}}, "lead.phone"),
        ({"source": "bot", "lead": {"external_id": "x", "email": ["a@b"]}}, "lead.email"),
    ],
)
def test_a_wrong_field_is_named(content: dict[str, object], field: str) -> None:
    """A bot's author reads which field is wrong, in plain JSON and inside a CloudEvent."""
    plain = rejected(Incoming(json.dumps(content).encode(), message_id="k"))
    event = rejected(envelope(id="k", type="contact.submit", data=content))
    assert (plain.code, plain.field) == (ParkedCode.INVALID_MESSAGE, field)
    assert (event.code, event.field) == (ParkedCode.INVALID_MESSAGE, f"data.{field}")
    assert plain.detail.startswith(f"{field}: ")
    assert event.detail.startswith(f"data.{field}: ")


def test_a_detail_speaks_of_characters_to_a_bots_author() -> None:
    """What is wrong with a text is said in words about texts."""
    for external_id in ("", "x" * 256):
        assert "character" in rejected(Incoming(body(external_id), message_id="k")).detail


def test_a_detail_never_repeats_what_the_lead_entered() -> None:
    """A detail may be shown and logged: it holds no phone number and no address."""
    refusal = rejected(Incoming(body("x", phone=79991234567, email=["anna@example.com"]), message_id="k"))
    assert "79991234567" not in refusal.detail
    assert "anna" not in refusal.detail
    assert "\n" not in refusal.detail


@pytest.mark.parametrize("key", [None, "", "k" * 256, "é" * 128, "a\0b", "\ud800"])
def test_a_message_without_a_usable_key_is_parked(key: str | None) -> None:
    """A message_id that is missing, over 255 bytes or cannot be stored is parked as such, with its source."""
    refusal = rejected(Incoming(body(), message_id=key))
    assert (refusal.code, refusal.source) == (ParkedCode.MISSING_MESSAGE_ID, "telegram-bot")


@pytest.mark.parametrize("key", [None, "", "k" * 256, "é" * 128, "a\0b"])
def test_a_cloud_event_without_a_usable_id_is_parked(key: str | None) -> None:
    """The envelope's id is held to the same bytes as message_id, which does not stand in for it."""
    event = envelope(id=key, type="contact.submit", data=json.loads(body()))
    stood_in = Incoming(event.body, message_id="k", content_type=CLOUDEVENTS_TYPE)
    assert rejected(stood_in).code == ParkedCode.MISSING_MESSAGE_ID


def test_a_type_of_another_page_is_parked_before_its_body_is_read() -> None:
    """A message of another type is told about its type, whatever it holds."""
    for raw in (body(), b"not json"):
        assert rejected(Incoming(raw, message_id="k", type="contact.open")).code == ParkedCode.UNKNOWN_TYPE
    for event in (envelope(id="k", type="contact.open", data={}), envelope(id="k", type="contact.open")):
        assert rejected(event).code == ParkedCode.UNKNOWN_TYPE


def test_an_envelope_without_data_or_type_names_what_is_missing() -> None:
    """A CloudEvent that lacks what counts is told which attribute."""
    assert rejected(envelope(id="k", data=json.loads(body()))).field == "type"
    assert rejected(envelope(id="k", type="contact.submit")).field == "data"
    assert rejected(envelope(id="k", type="contact.submit", data="text")).field == "data"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/cloudevents", ";", "json"])
def test_another_content_type_is_named(content_type: str) -> None:
    """A body in a format that is not taken is refused by its content type, not guessed at."""
    refusal = rejected(Incoming(body(), message_id="k", content_type=content_type))
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, "content_type")


def test_the_limit_of_bytes_is_exact() -> None:
    """A body of exactly MAX_MESSAGE_BYTES is taken, one byte more is parked as too large."""
    exact = Incoming(body().ljust(2048), message_id="k")
    assert submission_of(exact, 2048).external_id == "tg:1001"
    with pytest.raises(MessageRejected) as refusal:
        decode(Incoming(body().ljust(2049), message_id="k"), 2048)
    assert refusal.value.code == ParkedCode.TOO_LARGE
    assert "2049" in refusal.value.detail
    assert "2048" in refusal.value.detail
