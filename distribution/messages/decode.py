"""Decodes a message into a command, or rejects it with the code it is parked under."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from distribution import normalize
from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import cloudevents
from distribution.messages.body_encoding import text_of
from distribution.messages.body_models import ClosingBody, SubmissionBody
from distribution.messages.cloudevents import CLOUDEVENTS_TYPE, CloudEvent
from distribution.messages.commands import Closing, Command, Submission
from distribution.messages.digest import digest_of
from distribution.messages.idempotency_key_validation import is_usable_key, usable_key, usable_producer
from distribution.messages.incoming import JSON_TYPE, Incoming, traceparent_of
from distribution.messages.lossless_json import not_an_object, parsed, written
from distribution.messages.validation_messages import describe

SUBMIT = "contact.submit"
CLOSE = "contact.close"
BODIES: dict[str, type[SubmissionBody] | type[ClosingBody]] = {SUBMIT: SubmissionBody, CLOSE: ClosingBody}
AMQP_1_0 = "amqp-1.0"
"""The `type` that RabbitMQ gives a message whose AMQP 1.0 sections it could not turn into bytes."""
MOST_ERRORS = 5


@dataclass(frozen=True, slots=True)
class ParsedSubmission:
    """A valid submission and the key sent beside the body; the body's own `message_id` takes precedence.

    `is_event`: it is a CloudEvent, so its key is its `id` together with its `source`, the `producer`.
    """

    body: SubmissionBody
    key: object = None
    producer: str = ""
    is_event: bool = False


def decode(message: Incoming, max_bytes: int, phone_region: str = "") -> Command:
    """Decode a message; raises MessageRejected with the code it is parked under."""
    size = message.body_size or len(message.body)
    if size > max_bytes or message.body_size is not None:
        raise MessageRejected(ParkedCode.TOO_LARGE, f"The body has {size} bytes; at most {max_bytes} are taken.")
    request = _read_body(message, max_bytes)
    if isinstance(request, ParsedSubmission):
        return submission(request, message, phone_region)
    return Closing(request.contact_id, request.source, request.message_id, request.reason, producer=request.producer)


def read_submission(message: Incoming, max_bytes: int) -> ParsedSubmission:
    """The submission in an HTTP request; its content type matters only if it is that of CloudEvents."""
    request = _read_body(message, max_bytes, over_http=True)
    if isinstance(request, ParsedSubmission):
        return request
    raise _unknown_type(CLOSE, [SUBMIT])


def submission(request: ParsedSubmission, message: Incoming, phone_region: str = "") -> Submission:
    """The command of a valid submission. `phone_region`: the country assumed for numbers without a country code."""
    body, lead = request.body, request.body.lead
    if body.message_id is not None:
        key, producer = usable_key(body.message_id, body.source), ""
    else:
        name = "id" if request.is_event else "message_id"
        key, producer = usable_key(request.key, body.source, name), request.producer
    external_id = lead.external_id.strip()
    return Submission(
        source=body.source,
        message_id=key,
        external_id=external_id,
        phone=lead.phone,
        email=lead.email,
        payload=written(body.payload).decode(),
        digest=digest_of(body.source, external_id, lead.phone, lead.email, body.payload),
        traceparent=traceparent_of(message.headers),
        phone_normalized=normalize.phone(lead.phone, phone_region),
        email_normalized=normalize.email(lead.email),
        producer=producer,
        former_ids=_former_ids(request.key, key, producer),
        sent_external_id=None if external_id == lead.external_id else lead.external_id,
    )


def _former_ids(sent_key: object, key: str, producer: str) -> tuple[str, ...]:
    """The key sent beside the body, if an earlier release, which took that key and no producer, stored another key."""
    if isinstance(sent_key, str) and is_usable_key(sent_key) and (producer or sent_key != key):
        return (sent_key,)
    return ()


def _read_body(message: Incoming, max_bytes: int, *, over_http: bool = False) -> ParsedSubmission | ClosingBody:
    if message.type == AMQP_1_0:
        text_of(message.body, max_bytes)  # raises an error that names the section
    attributes = cloudevents.binary_attributes(message.headers, percent_encoded=over_http) if message.headers else None
    is_structured = _is_structured(message, over_http=over_http)
    kind = SUBMIT if over_http else message.type or SUBMIT
    if not is_structured and attributes is None:
        _check_type(kind)
    value = parsed(text_of(message.body, max_bytes, message.content_encoding, message.content_type))
    if is_structured:
        return _from_event(message, cloudevents.in_body(value, max_bytes))
    if attributes is not None:
        return _from_event(message, cloudevents.in_headers(attributes, value))
    body = _validated(message, kind, value)
    return body if isinstance(body, ClosingBody) else ParsedSubmission(body, message.message_id)


def _from_event(message: Incoming, event: CloudEvent) -> ParsedSubmission | ClosingBody:
    _check_type(event.type)
    producer = "" if event.source is None else usable_producer(event.source)
    body = _validated(message, event.type, event.data(), event.within)
    return body if isinstance(body, ClosingBody) else ParsedSubmission(body, event.id, producer, is_event=True)


def _is_structured(message: Incoming, *, over_http: bool) -> bool:
    content_type = (message.content_type or JSON_TYPE).split(";")[0].strip().lower()
    if content_type == CLOUDEVENTS_TYPE:
        return True
    if over_http or content_type == JSON_TYPE:
        return False
    detail = f"content_type is {content_type[:100]!r}; send {JSON_TYPE} or {CLOUDEVENTS_TYPE}."
    raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_type")


def _check_type(kind: str) -> None:
    if kind not in BODIES:
        raise _unknown_type(kind)


def _unknown_type(kind: str, known: Sequence[str] = (SUBMIT, CLOSE)) -> MessageRejected:
    detail = f"type is {kind[:100]!r}; the types taken here: {', '.join(known)}."
    return MessageRejected(ParkedCode.UNKNOWN_TYPE, detail, "type")


def _validated(message: Incoming, kind: str, value: Any, within: str = "") -> SubmissionBody | ClosingBody:
    try:
        return BODIES[kind].model_validate(value)
    except ValidationError as error:
        if not within and cloudevents.looks_like_envelope(value):
            raise cloudevents.missing_content_type(message) from None
        raise _rejection(error, within) from None


def _rejection(error: ValidationError, within: str) -> MessageRejected:
    errors = error.errors(include_url=False, include_input=False)
    if errors[0]["type"] == "model_type" and not errors[0]["loc"] and not within:
        return not_an_object()
    named = [(".".join(filter(None, (within, name))) or "body", what) for name, what in describe(errors)]
    detail = "; ".join(f"{name}: {what}" for name, what in named[:MOST_ERRORS])
    return MessageRejected(ParkedCode.INVALID_MESSAGE, f"{detail}.", named[0][0], errors=named)
