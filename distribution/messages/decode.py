"""A message becomes a command, or is rejected with the code it is parked under."""

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
from distribution.messages.idempotency_keys import is_usable_key, usable_key, usable_producer
from distribution.messages.incoming import JSON_TYPE, Incoming, traceparent_of
from distribution.messages.lossless_json import no_object, parsed, written
from distribution.messages.validation_messages import describe

SUBMIT = "contact.submit"
CLOSE = "contact.close"
BODIES: dict[str, type[SubmissionBody] | type[ClosingBody]] = {SUBMIT: SubmissionBody, CLOSE: ClosingBody}
AMQP_1_0 = "amqp-1.0"
"""The `type` that RabbitMQ gives a message whose AMQP 1.0 sections it could not turn into bytes."""
MOST_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid submission with the key that came beside it; the body's own `message_id` comes before that.

    `is_event`: it is a CloudEvent, so that the key is its `id` and its `source`, the `producer`.
    """

    body: SubmissionBody
    key: object = None
    producer: str = ""
    is_event: bool = False


def decode(message: Incoming, max_bytes: int, phone_region: str = "") -> Command:
    """Understand a message, or raise MessageRejected with the code it is parked under."""
    size = message.body_size or len(message.body)
    if size > max_bytes or message.body_size is not None:
        raise MessageRejected(ParkedCode.TOO_LARGE, f"The body has {size} bytes; at most {max_bytes} are taken.")
    asked = _asked(message, max_bytes)
    if isinstance(asked, Asked):
        return submission(asked, message, phone_region)
    return Closing(asked.contact_id, asked.source, asked.message_id, asked.reason, producer=asked.producer)


def read_submission(message: Incoming, max_bytes: int) -> Asked:
    """The submission that an HTTP request holds; its content type counts only where it is that of CloudEvents."""
    asked = _asked(message, max_bytes, over_http=True)
    if isinstance(asked, Asked):
        return asked
    raise _unknown_type(CLOSE, [SUBMIT])


def submission(asked: Asked, message: Incoming, phone_region: str = "") -> Submission:
    """The command a valid body asks for. `phone_region`: whose numbers those without a country code are, if known."""
    body, lead = asked.body, asked.body.lead
    if body.message_id is not None:
        key, producer = usable_key(body.message_id, body.source), ""
    else:
        key, producer = usable_key(asked.key, body.source, "id" if asked.is_event else "message_id"), asked.producer
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
        former_ids=_former(asked.key, key, producer),
        sent_external_id=None if external_id == lead.external_id else lead.external_id,
    )


def _former(beside: object, key: str, producer: str) -> tuple[str, ...]:
    """Releases before took the key that came beside the body, and knew no producers."""
    if isinstance(beside, str) and is_usable_key(beside) and (producer or beside != key):
        return (beside,)
    return ()


def _asked(message: Incoming, max_bytes: int, *, over_http: bool = False) -> Asked | ClosingBody:
    if message.type == AMQP_1_0:
        text_of(message.body, max_bytes)  # says which section it is
    attributes = cloudevents.binary_attributes(message.headers, percent_encoded=over_http) if message.headers else None
    is_structured = _is_structured(message, over_http=over_http)
    kind = SUBMIT if over_http else message.type or SUBMIT
    if not is_structured and attributes is None:
        _check_type(kind)
    value = parsed(text_of(message.body, max_bytes, message.content_encoding, message.content_type))
    if is_structured:
        return _of_event(message, cloudevents.in_body(value, max_bytes))
    if attributes is not None:
        return _of_event(message, cloudevents.in_headers(attributes, value))
    body = _validated(message, kind, value)
    return body if isinstance(body, ClosingBody) else Asked(body, message.message_id)


def _of_event(message: Incoming, event: CloudEvent) -> Asked | ClosingBody:
    _check_type(event.type)
    producer = "" if event.source is None else usable_producer(event.source)
    body = _validated(message, event.type, event.data(), event.within)
    return body if isinstance(body, ClosingBody) else Asked(body, event.id, producer, is_event=True)


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
    except ValidationError as wrong:
        if not within and cloudevents.without_content_type(value):
            raise cloudevents.forgotten(message) from None
        raise _rejection(wrong, within) from None


def _rejection(wrong: ValidationError, within: str) -> MessageRejected:
    errors = wrong.errors(include_url=False, include_input=False)
    if errors[0]["type"] == "model_type" and not errors[0]["loc"] and not within:
        return no_object()
    named = [(".".join(filter(None, (within, name))) or "body", what) for name, what in describe(errors)]
    detail = "; ".join(f"{name}: {what}" for name, what in named[:MOST_ERRORS])
    return MessageRejected(ParkedCode.INVALID_MESSAGE, f"{detail}.", named[0][0], errors=named)
