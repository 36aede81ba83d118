"""Parked messages: request bodies, query, response bodies and their serializers."""

import base64
from codecs import getincrementaldecoder
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from admin_api.models.common import Body, UuidPageQuery
from distribution.errors import ParkedCode
from distribution.event_shapes import Time, Uuid
from distribution.ids import isoformat
from distribution.intake import parked_properties
from distribution.intake.parked_admin import shown_source
from distribution.messages import SourceCode
from distribution.store.parked_messages import Parked


class CodeReplay(Body):
    """The code whose parked messages are replayed."""

    code: ParkedCode


class ParkedQuery(UuidPageQuery):
    """Which parked messages."""

    state: Literal["deferred", "rejected", "replayed", "dropped"] | None = None
    code: ParkedCode | None = None
    source: SourceCode | None = None


State = Annotated[str, Field(json_schema_extra={"enum": ["deferred", "rejected", "replayed", "dropped"]})]
OpenState = Annotated[str, Field(json_schema_extra={"enum": ["deferred", "rejected"]})]
Code = Annotated[str, Field(json_schema_extra={"enum": [*ParkedCode]})]


class ParkedShape(TypedDict):
    """A message that could not be processed; `body` is text, or `body_base64` if it is not UTF-8.

    `body_size`: how many bytes the body had, if only its beginning is kept; such a message cannot be replayed.
    `source`: whose it is, or the one that its body names. `properties`: as the sender set them, under AMQP's names, and
    what the broker added.
    """

    id: Uuid
    state: State
    code: Code
    detail: str
    source: str | None
    message_id: str | None
    body: NotRequired[str]
    body_base64: NotRequired[str]
    body_size: NotRequired[int]
    properties: dict[str, Any]
    attempts: int
    created_at: Time


class ReplayShape(TypedDict):
    """How many messages were processed, and how many are parked again."""

    replayed: int
    parked_again: int


class ReplayedShape(ParkedShape, ReplayShape):
    """The message after the replay, and whether it was processed."""


def parked_shape(parked: Parked) -> ParkedShape:
    """Returns a parked message as the API shows it."""
    shape: ParkedShape = {
        "id": str(parked.id),
        "state": parked.state,
        "code": parked.code,
        "detail": parked.detail,
        "source": shown_source(parked),
        "message_id": parked.message_id,
        "properties": parked_properties.shown(parked.properties),
        "attempts": parked.attempts,
        "created_at": isoformat(parked.created_at),
    }
    if parked.body_size is not None:
        shape["body_size"] = parked.body_size
    try:
        # The beginning of a text may end within a character.
        shape["body"] = getincrementaldecoder("utf-8")().decode(parked.body, final=parked.body_size is None)
    except UnicodeDecodeError:
        shape["body_base64"] = base64.b64encode(parked.body).decode()
    return shape
