"""CloudEvents 1.0: structured, the envelope being the body; and binary, the envelope's attributes being headers."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages.body_encoding import text_of
from distribution.messages.incoming import JSON_TYPE, Incoming
from distribution.messages.lossless_json import no_object, parsed

CLOUDEVENTS_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
PREFIXES = ("cloudevents:", "cloudevents_", "ce-")
"""How headers of the binary mode begin, in small letters."""
PREFIX = re.compile("cloudevents[:_]|ce-")
MAX_QUOTED = 100


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """What counts of a CloudEvent; `within` is the name of the attribute that holds what it says, if one does.

    `data` reads what it says, or raises MessageRejected: it comes after the type, which may be none of ours.
    """

    id: object
    source: str | None
    type: str
    within: str
    data: Callable[[], Any]


def binary_attributes(headers: Mapping[str, Any], *, percent_encoded: bool = False) -> dict[str, Any] | None:
    """The attributes of a CloudEvent in binary mode; None if the headers hold none.

    `percent_encoded`: as in HTTP, where other characters than ASCII are.
    """
    found: dict[str, Any] = {}
    for name, value in headers.items():
        word = name.lower()
        if word.startswith(PREFIXES):
            text = unquote(value) if percent_encoded and isinstance(value, str) else value
            found.setdefault(PREFIX.sub("", word, count=1), text)
    return found if "specversion" in found or {"id", "source", "type"} <= found.keys() else None


def in_headers(attributes: Mapping[str, Any], body: object) -> CloudEvent:
    """A CloudEvent in binary mode, or MessageRejected."""
    return _event(attributes, "", lambda: body)


def in_body(envelope: object, max_bytes: int) -> CloudEvent:
    """A CloudEvent in structured mode, or MessageRejected; `data_base64` is bounded by `max_bytes`."""
    if not isinstance(envelope, dict):
        raise no_object()
    return _event(envelope, "data", partial(_data, envelope, max_bytes))


def without_content_type(body: object) -> bool:
    """Whether a body is an envelope, regardless of its content type."""
    return isinstance(body, dict) and {"specversion", "type"} <= body.keys() and "lead" not in body


def forgotten(message: Incoming) -> MessageRejected:
    """The answer to an envelope whose content type is that of plain JSON."""
    is_now = repr(message.content_type[:MAX_QUOTED]) if message.content_type else "absent"
    detail = f"The body is a CloudEvent, but content_type is {is_now}; set it to {CLOUDEVENTS_TYPE}."
    return MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_type")


def _event(attributes: Mapping[str, Any], within: str, data: Callable[[], Any]) -> CloudEvent:
    version, source, kind = (attributes.get(name) for name in ("specversion", "source", "type"))
    if version != SPEC_VERSION:
        wrong = "is required in a CloudEvent" if version is None else f"is {_said(version)}"
        raise _invalid("specversion", f'{wrong}; send "{SPEC_VERSION}"')
    if not (source is None or isinstance(source, str)):
        raise _invalid("source", "must be a string")
    if not isinstance(kind, str):
        raise _invalid("type", "is required" if kind is None else "must be a string")
    return CloudEvent(attributes.get("id"), source, kind, within, data)


def _data(envelope: Mapping[str, Any], max_bytes: int) -> Any:
    media_type = envelope.get("datacontenttype")
    if media_type is not None and not _is_json(media_type):
        raise _invalid("datacontenttype", f"is {_said(media_type)}; send {JSON_TYPE}")
    data, packed = envelope.get("data"), envelope.get("data_base64")
    if packed is not None:
        if data is not None:
            raise _invalid("data_base64", "stands beside data; send one of the two")
        return parsed(text_of(_unpacked(packed), max_bytes))
    if "data" not in envelope:
        raise _invalid("data", "is required")
    if isinstance(data, str):
        raise _invalid("data", "is a string; put the JSON object itself there, not a string that holds it")
    return data


def _unpacked(packed: object) -> bytes:
    try:
        if isinstance(packed, str):
            return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise _invalid("data_base64", "must be a string in base64")


def _is_json(media_type: object) -> bool:
    """Whether it is application/json, text/json, or anything with +json."""
    word = media_type.split(";")[0].strip().lower() if isinstance(media_type, str) else ""
    return word in (JSON_TYPE, "text/json") or word.endswith("+json")


def _said(value: object) -> str:
    return repr(value[:MAX_QUOTED]) if isinstance(value, str) else "no text"


def _invalid(name: str, what: str) -> MessageRejected:
    return MessageRejected(ParkedCode.INVALID_MESSAGE, f"{name}: {what}.", name, errors=[(name, what)])
