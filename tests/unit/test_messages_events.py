"""CloudEvents in every form they come in, and what each that is not taken is told."""

import base64
import json
from typing import Any

import pytest

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import CLOUDEVENTS_TYPE, MAX_PRODUCER_BYTES, Closing, Incoming, Submission, decode
from tests.factories import MAX_BYTES, body, submission_of

ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "https://bots.example/telegram", "type": "contact.submit"}


def structured(without: str = "", **more: Any) -> Incoming:
    """A CloudEvent whose envelope is the body."""
    event = {**ATTRIBUTES, "datacontenttype": "application/json", "data": json.loads(body())} | more
    event.pop(without, None)
    return Incoming(json.dumps(event).encode(), content_type=CLOUDEVENTS_TYPE)


def binary(prefix: str, without: str = "", **more: Any) -> Incoming:
    """A CloudEvent whose envelope's attributes are headers."""
    headers = {prefix + name: value for name, value in (ATTRIBUTES | more).items() if name != without}
    return Incoming(body(), message_id="random", content_type="application/json", headers=headers)


def rejected(message: Incoming) -> MessageRejected:
    """The refusal of a message."""
    with pytest.raises(MessageRejected) as refusal:
        decode(message, MAX_BYTES)
    return refusal.value


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "CE-", "cloudevents:"])
def test_binary_mode_is_the_same_event(prefix: str) -> None:
    """Attributes in headers, however they are marked, say what an envelope says."""
    assert submission_of(binary(prefix)) == submission_of(structured())


def test_source_and_id_are_the_key() -> None:
    """Events of two producers with one id are two contacts' keys; the AMQP property counts for neither."""
    one, other = submission_of(structured()), submission_of(structured(source="/other"))
    assert (one.message_id, one.producer) == ("e-1", ATTRIBUTES["source"])
    assert (other.message_id, other.producer) == ("e-1", "/other")


def test_a_key_in_the_data_comes_first() -> None:
    """SDKs make ids up, so a `message_id` in the submission itself is the key, as in any other message."""
    found = submission_of(structured(data=json.loads(body()) | {"message_id": "m-1"}))
    assert (found.message_id, found.producer) == ("m-1", "")


def test_an_event_without_a_source_is_known_by_its_id() -> None:
    """What releases before took goes on."""
    found = submission_of(structured("source"))
    assert (found.message_id, found.producer) == ("e-1", "")


def test_data_may_be_in_base64() -> None:
    """What an SDK makes of bytes is read like JSON in the envelope."""
    raw = b"\xef\xbb\xbf" + body(payload=1e-7)
    packed = structured("data", data_base64=base64.b64encode(raw).decode())
    assert submission_of(packed) == submission_of(structured(data=json.loads(body(payload=1e-7))))


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "text/json", "application/vnd.bot+json", None]
)
def test_data_of_any_json_media_type_is_taken(media_type: str | None) -> None:
    """JSON has many names."""
    assert submission_of(structured(datacontenttype=media_type)).source == "telegram-bot"


@pytest.mark.parametrize(
    ("message", "field", "words"),
    [
        (structured("specversion"), "specversion", "is required in a CloudEvent"),
        (structured(specversion="0.3"), "specversion", "is '0.3'; send \"1.0\""),
        (structured(specversion=1.0), "specversion", 'send "1.0"'),
        (binary("ce-", "specversion"), "specversion", "is required in a CloudEvent"),
        (binary("cloudEvents:", specversion="2.0"), "specversion", "is '2.0'"),
        (structured(data=body().decode()), "data", "is a string; put the JSON object itself there"),
        (structured(data="text"), "data", "is a string"),
        (structured("data"), "data", "is required"),
        (structured(datacontenttype="application/xml"), "datacontenttype", "is 'application/xml'"),
        (structured(datacontenttype=5), "datacontenttype", "send application/json"),
        (structured(data_base64="e30="), "data_base64", "stands beside data"),
        (structured("data", data_base64="no base64!"), "data_base64", "must be a string in base64"),
        (structured("data", data_base64=[1]), "data_base64", "must be a string in base64"),
        (structured("type"), "type", "is required"),
        (structured(type=5), "type", "must be a string"),
        (structured(source=5), "source", "must be a string"),
        (structured(source=""), "source", "must have 1 to 1024 bytes"),
        (structured(source="x" * (MAX_PRODUCER_BYTES + 1)), "source", "must have 1 to 1024 bytes"),
        (structured(source="a\0"), "source", "NUL"),
    ],
)
def test_what_is_wrong_with_an_event_is_named(message: Incoming, field: str, words: str) -> None:
    """The sender reads which attribute is wrong and what to send instead."""
    refusal = rejected(message)
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, field)
    assert words in refusal.detail


@pytest.mark.parametrize("content_type", [None, "application/json", "application/json; charset=utf-8"])
def test_an_envelope_without_its_content_type_is_recognised(content_type: str | None) -> None:
    """A sender who forgot the content type reads that, not a list of missing fields."""
    message = Incoming(structured().body, message_id="k", content_type=content_type)
    refusal = rejected(message)
    assert (refusal.code, refusal.field) == (ParkedCode.INVALID_MESSAGE, "content_type")
    assert refusal.detail.startswith("The body is a CloudEvent, but content_type is")
    assert CLOUDEVENTS_TYPE in refusal.detail


def test_an_event_without_a_usable_id_names_it() -> None:
    """In a CloudEvent the key is called id."""
    for message in (structured("id"), structured(id=""), structured(id=7), binary("ce-", "id")):
        refusal = rejected(message)
        assert (refusal.code, refusal.field) == (ParkedCode.MISSING_MESSAGE_ID, "id")


def test_headers_that_are_no_event_mean_nothing() -> None:
    """A single header of such a name beside a plain message does not make it an event."""
    plain = Incoming(body(), message_id="k", headers={"ce-source": "/x", "cloudEvents:type": "y", "other": 1})
    assert submission_of(plain).message_id == "k"


def test_closing_may_name_the_producer() -> None:
    """A key is closed by source, message_id and the CloudEvent's source."""
    content = {"source": "bot", "message_id": "e-1", "producer": "/bot"}
    found = decode(Incoming(json.dumps(content).encode(), type="contact.close"), MAX_BYTES)
    assert isinstance(found, Closing)
    assert (found.message_id, found.producer) == ("e-1", "/bot")


def test_the_key_in_the_body_comes_before_the_property() -> None:
    """aio-pika fills the property with a random value, so the body's key counts where there is one."""
    keyed = json.dumps(json.loads(body()) | {"message_id": "m-1"}).encode()
    for property_ in (None, "random-1", "random-2"):
        found = submission_of(Incoming(keyed, message_id=property_))
        assert isinstance(found, Submission)
        assert found.message_id == "m-1"
    assert submission_of(Incoming(body(), message_id="p")).message_id == "p"
    null = json.dumps(json.loads(body()) | {"message_id": None}).encode()
    assert submission_of(Incoming(null, message_id="p")).message_id == "p"


@pytest.mark.parametrize("key", ["", "a\0", "k" * 256, "é" * 128, 7, ["k"], True])
def test_a_key_in_the_body_that_is_not_usable_is_named(key: object) -> None:
    """It is never passed over for the property: its sender meant it."""
    refusal = rejected(Incoming(json.dumps(json.loads(body()) | {"message_id": key}).encode(), message_id="p"))
    assert refusal.field == "message_id"
    assert refusal.code in (ParkedCode.INVALID_MESSAGE, ParkedCode.MISSING_MESSAGE_ID)
