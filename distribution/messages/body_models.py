"""The schemas of bodies."""

import re
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from distribution.messages.idempotency_key_validation import MAX_KEY_BYTES, MAX_PRODUCER_BYTES

MOST = 255
KEY = (
    "The idempotency key, 1 to 255 bytes, unique within the source: the same key with the same body is the same"
    " contact. Takes precedence over the key beside the body."
)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the character NUL")
    return value


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _name(value: str) -> str:
    if not 1 <= len(value.strip()) <= MOST:
        raise ValueError(f"must have 1 to {MOST} characters, not counting surrounding spaces")
    return _without_nul(value)


# After the lengths: pydantic words length errors for strings only if the length is annotated next to `str`.
NoNul = AfterValidator(_without_nul)
NoNulInSchema = Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
Text = Annotated[str, NoNul, NoNulInSchema]
BlankOrText = Annotated[
    Annotated[str, Field(max_length=MOST), NoNul, NoNulInSchema] | None, BeforeValidator(_blank_is_none)
]
ExternalId = Annotated[
    str,
    AfterValidator(_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": MOST, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]
SourceCode = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_-]+$")]
ContactKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_BYTES), NoNul]
Producer = Annotated[str, Field(max_length=MAX_PRODUCER_BYTES), NoNul]
SOURCE_CODE = re.compile(r"[a-z0-9_-]{1,64}")
"""The same pattern, for settings."""


class WireModel(BaseModel):
    """Strict in types, unknown fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


class LeadBody(WireModel):
    """The lead as a bot knows it; spaces around `external_id` do not count."""

    external_id: Annotated[ExternalId, Field(description="The customer's id at the bot.")]
    phone: Annotated[BlankOrText, Field(description="Fills the lead's phone if it has none.")] = None
    email: Annotated[BlankOrText, Field(description="Fills the lead's e-mail if it has none.")] = None


class SubmissionBody(WireModel):
    """The body of `contact.submit`; unknown fields are ignored."""

    source: Annotated[SourceCode, Field(description="The code of the source, as an admin created it.")]
    lead: LeadBody
    payload: Annotated[Any, Field(description="Any JSON value; passed on unchanged.")] = None
    message_id: Annotated[str | None, Field(description=KEY)] = None


class ClosingBody(WireModel):
    """The body of `contact.close`: the contact by its id, or by the key it was submitted with."""

    contact_id: Annotated[Annotated[UUID, Field(strict=False)] | None, Field(description="The contact's id.")] = None
    source: Annotated[SourceCode | None, Field(description="Its source, if it is named by its key.")] = None
    message_id: Annotated[ContactKey | None, Field(description="The key that it was submitted with.")] = None
    producer: Annotated[Producer | None, Field(description="If it was a CloudEvent: the CloudEvent's `source`.")] = None
    reason: Annotated[BlankOrText, Field(description="Why it is closed; stands in the event.")] = None

    @model_validator(mode="after")
    def _names_a_contact(self) -> Self:
        if self.contact_id is None and (self.source is None or self.message_id is None):
            raise ValueError("give contact_id, or source and message_id")
        return self
