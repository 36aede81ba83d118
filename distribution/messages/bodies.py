"""The shapes of bodies."""

import re
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from distribution.messages.keys import MAX_KEY_BYTES, MAX_PRODUCER_BYTES

MOST = 255


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


# After the lengths: pydantic words those for texts only where they stand next to the text.
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
SOURCE_CODE = re.compile(r"[a-z0-9_-]{1,64}")
"""The same, for settings."""


class WireModel(BaseModel):
    """Strict in types, unknown fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


class LeadBody(WireModel):
    """The lead as a bot knows it; spaces around `external_id` do not count."""

    external_id: ExternalId
    phone: BlankOrText = None
    email: BlankOrText = None


class SubmissionBody(WireModel):
    """The body of `contact.submit`; its key, where it has one, comes before any other."""

    source: SourceCode
    lead: LeadBody
    payload: Any = None
    message_id: str | None = None


class ClosingBody(WireModel):
    """The body of `contact.close`: the contact by its id, or by the key it was submitted with."""

    contact_id: Annotated[UUID, Field(strict=False)] | None = None
    source: SourceCode | None = None
    message_id: Annotated[str, Field(min_length=1, max_length=MAX_KEY_BYTES), NoNul] | None = None
    producer: Annotated[str, Field(max_length=MAX_PRODUCER_BYTES), NoNul] | None = None
    reason: BlankOrText = None

    @model_validator(mode="after")
    def _names_a_contact(self) -> Self:
        if self.contact_id is None and (self.source is None or self.message_id is None):
            raise ValueError("give contact_id, or source and message_id")
        return self
