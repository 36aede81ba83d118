"""The wire contract of what comes in: a submission, as plain JSON, as a CloudEvent or over HTTP."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b, sha256
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from distribution import normalize
from distribution.errors import MessageRejected, ParkedCode

SUBMIT = "contact.submit"
CLOSE = "contact.close"
JSON_TYPE = "application/json"
CLOUDEVENTS_TYPE = "application/cloudevents+json"
MAX_KEY_BYTES = 255
WHOLE_BYTES = 1024 * 1024
"""Up to this size (or the largest message that is taken, if that is more) a body is kept whole when it is parked."""
CUT_BYTES = 64 * 1024
"""How much of a larger body is kept."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# The standard encoder, since it keeps integers of any size as they came; making one takes longer than using it.
AS_IT_CAME = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
SORTED = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the character NUL")
    return value


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


# After the lengths: pydantic words those for texts only where they stand next to the text.
NoNul = AfterValidator(_without_nul)
NoNulInSchema = Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
Text = Annotated[str, NoNul, NoNulInSchema]
BlankOrText = Annotated[
    Annotated[str, Field(max_length=255), NoNul, NoNulInSchema] | None, BeforeValidator(_blank_is_none)
]
SourceCode = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_-]+$")]
SOURCE_CODE = re.compile(r"[a-z0-9_-]{1,64}")
"""The same, for settings."""


class WireModel(BaseModel):
    """Strict in types, unknown fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


M = TypeVar("M", bound=WireModel)


class LeadBody(WireModel):
    """The lead as a bot knows it."""

    external_id: Annotated[str, Field(min_length=1, max_length=255), NoNul, NoNulInSchema]
    phone: BlankOrText = None
    email: BlankOrText = None


class SubmissionBody(WireModel):
    """The body of `contact.submit`."""

    source: SourceCode
    lead: LeadBody
    payload: Any = None


class ClosingBody(WireModel):
    """The body of `contact.close`: the contact by its id, or by the key it was submitted with."""

    contact_id: Annotated[UUID, Field(strict=False)] | None = None
    source: SourceCode | None = None
    message_id: Annotated[str, Field(min_length=1, max_length=MAX_KEY_BYTES), NoNul] | None = None
    reason: BlankOrText = None

    @model_validator(mode="after")
    def _names_a_contact(self) -> Self:
        if self.contact_id is None and (self.source is None or self.message_id is None):
            raise ValueError("give contact_id, or source and message_id")
        return self


class CloudEventBody(WireModel):
    """The envelope's attributes that count."""

    id: str | None = None
    type: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came, before anybody understood it.

    `body_size` and `body_digest` (SHA-256): of the whole body, if `body` is only its beginning; else None.
    """

    body: bytes
    message_id: str | None = None
    type: str | None = None
    content_type: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    """The broker user who sent it: the broker checks this property against the connection."""
    body_size: int | None = None
    body_digest: bytes | None = None
    redelivered: bool = False
    """Whether the broker may have delivered it before."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a contact, understood. `payload` is JSON text; `digest` tells one body from another.

    Phone and e-mail are normalised here already, so that no transaction waits for it.
    """

    source: str
    message_id: str
    external_id: str
    phone: str | None
    email: str | None
    payload: str
    digest: bytes
    traceparent: str | None = None
    phone_normalized: str | None = None
    email_normalized: str | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """A request to close a contact, known by its id or by the (source, message_id) of its submission.

    `sources`: codes of those whose contacts its sender may close by id; None: of any.
    """

    contact_id: UUID | None
    source: str | None
    message_id: str | None
    reason: str | None
    sources: frozenset[str] | None = None

    @property
    def named(self) -> str:
        """The contact, in words."""
        return str(self.contact_id) if self.contact_id else f"{self.message_id!r} of source {self.source!r}"


Command = Submission | Closing


def decode(message: Incoming, max_bytes: int, phone_region: str = "") -> Command:
    """Understand a message, or raise MessageRejected with the code it is parked under."""
    size = message.body_size or len(message.body)
    if size > max_bytes or message.body_size is not None:
        raise MessageRejected(ParkedCode.TOO_LARGE, f"The body has {size} bytes; at most {max_bytes} are taken.")
    if _content_type(message) == CLOUDEVENTS_TYPE:
        envelope = _validated(CloudEventBody, message.body)
        body, message_id = _validated_data(_body_model(envelope.type), envelope.data), envelope.id
    else:
        body, message_id = _validated(_body_model(message.type or SUBMIT), message.body), message.message_id
    if isinstance(body, ClosingBody):
        return Closing(body.contact_id, body.source, body.message_id, body.reason)
    return submission(body, usable_key(message_id, body.source), traceparent_of(message.headers), phone_region)


def submission(
    body: SubmissionBody,
    message_id: str,
    traceparent: str | None = None,
    phone_region: str = "",
) -> Submission:
    """The command a valid body asks for. `phone_region`: whose numbers those without a country code are, if known."""
    lead = body.lead
    payload = _json(body.payload, body.source)
    canonical = _json([body.source, lead.external_id, lead.phone, lead.email, body.payload], body.source, sort=True)
    return Submission(
        source=body.source,
        message_id=message_id,
        external_id=lead.external_id,
        phone=lead.phone,
        email=lead.email,
        payload=payload,
        digest=blake2b(canonical.encode(), digest_size=16).digest(),
        traceparent=traceparent,
        phone_normalized=normalize.phone(lead.phone, phone_region),
        email_normalized=normalize.email(lead.email),
    )


def usable_key(message_id: object, source: str | None = None) -> str:
    """The idempotency key, or MessageRejected where there is none that could be kept."""
    detail = "Set message_id: it is the idempotency key."
    if isinstance(message_id, str) and message_id:
        if storable(message_id) and len(message_id.encode()) <= MAX_KEY_BYTES:
            return message_id
        detail = f"message_id must have 1 to {MAX_KEY_BYTES} bytes of UTF-8, none of them NUL."
    raise MessageRejected(ParkedCode.MISSING_MESSAGE_ID, detail, "message_id", source)


def cut(message: Incoming) -> Incoming:
    """The message with no more of its body than its beginning, if the body is too large to be kept whole."""
    body = message.body
    if message.body_size is not None or len(body) <= WHOLE_BYTES:
        return message
    return replace(message, body=body[:CUT_BYTES], body_size=len(body), body_digest=sha256(body).digest())


def storable(value: str | None) -> str | None:
    """A property that both databases can keep, else None."""
    return value if value and not UNSTORABLE.search(value) else None


def traceparent_of(headers: Mapping[str, Any]) -> str | None:
    """The W3C trace context, where the header holds a well-formed one."""
    value = headers.get("traceparent")
    return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) else None


def describe(errors: list[ErrorDetails]) -> list[tuple[str, str]]:
    """(field, message) per problem, in words for the sender."""
    return [(".".join(str(part) for part in e["loc"]), e["msg"].removeprefix("Value error, ")) for e in errors]


def _content_type(message: Incoming) -> str:
    content_type = (message.content_type or JSON_TYPE).split(";")[0].strip().lower()
    if content_type not in (JSON_TYPE, CLOUDEVENTS_TYPE):
        detail = f"content_type is {content_type[:100]!r}; send {JSON_TYPE} or {CLOUDEVENTS_TYPE}."
        raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_type")
    return content_type


def _body_model(kind: str) -> type[SubmissionBody] | type[ClosingBody]:
    if kind == SUBMIT:
        return SubmissionBody
    if kind == CLOSE:
        return ClosingBody
    detail = f"type is {kind[:100]!r}; the known types are {SUBMIT} and {CLOSE}."
    raise MessageRejected(ParkedCode.UNKNOWN_TYPE, detail, "type")


def _validated_data(model: type[M], data: object) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        raise _rejection(wrong, prefix="data") from None


def _validated(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as wrong:
        raise _rejection(wrong) from None


def _rejection(wrong: ValidationError, prefix: str = "") -> MessageRejected:
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        return MessageRejected(ParkedCode.INVALID_JSON, f"{first['msg']}.")
    if first["type"] == "model_type" and not first["loc"] and not prefix:
        return MessageRejected(ParkedCode.INVALID_JSON, "The body is JSON, but not an object.")
    named = [(".".join(filter(None, (prefix, name))) or "body", message) for name, message in describe(errors)]
    detail = "; ".join(f"{name}: {message}" for name, message in named[:5])
    return MessageRejected(ParkedCode.INVALID_MESSAGE, f"{detail}.", named[0][0])


def _json(value: object, source: str, *, sort: bool = False) -> str:
    try:
        return (SORTED if sort else AS_IT_CAME).encode(value)
    except ValueError:
        detail = "payload holds a number too large for JSON readers."
        raise MessageRejected(ParkedCode.INVALID_JSON, detail, "payload", source) from None
