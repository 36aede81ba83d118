"""CloudEvents 1.0: structured mode (the body is the envelope) and binary mode (the attributes are headers)."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages.body_encoding import text_of
from distribution.messages.incoming import JSON_TYPE, Incoming
from distribution.messages.lossless_json import not_an_object, parsed

CLOUDEVENTS_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
PREFIXES = ("cloudevents:", "cloudevents_", "ce-")
"""How headers of the binary mode begin, in lower case."""
PREFIX = re.compile("cloudevents[:_]|ce-")
MAX_QUOTED = 100


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The relevant parts of a CloudEvent; `within` names the attribute that holds the data, empty in binary mode.

    `data` reads the data, or raises MessageRejected: a callable, so that the type is checked first.
    """

    id: object
    source: str | None
    type: str
    within: str
    data: Callable[[], Any]


def binary_attributes(headers: Mapping[str, Any], *, percent_encoded: bool = False) -> dict[str, Any] | None:
    """The attributes of a CloudEvent in binary mode; None if the headers hold none. HTTP percent-encodes values."""
    attributes: dict[str, Any] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith(PREFIXES):
            text = unquote(value) if percent_encoded and isinstance(value, str) else value
            attributes.setdefault(PREFIX.sub("", lower, count=1), text)
    return attributes if "specversion" in attributes or {"id", "source", "type"} <= attributes.keys() else None


def in_headers(attributes: Mapping[str, Any], body: object) -> CloudEvent:
    """A CloudEvent in binary mode; raises MessageRejected."""
    return _event(attributes, "", lambda: body)


def in_body(envelope: object, max_bytes: int) -> CloudEvent:
    """A CloudEvent in structured mode; raises MessageRejected. `data_base64` is limited to `max_bytes`."""
    if not isinstance(envelope, dict):
        raise not_an_object()
    return _event(envelope, "data", partial(_data, envelope, max_bytes))


def looks_like_envelope(body: object) -> bool:
    """Whether a body looks like an envelope, regardless of its content type."""
    return isinstance(body, dict) and {"specversion", "type"} <= body.keys() and "lead" not in body


def missing_content_type(message: Incoming) -> MessageRejected:
    """The rejection of an envelope whose content type is that of plain JSON."""
    actual = repr(message.content_type[:MAX_QUOTED]) if message.content_type else "absent"
    detail = f"The body is a CloudEvent, but content_type is {actual}; set it to {CLOUDEVENTS_TYPE}."
    return MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "content_type")


def _event(attributes: Mapping[str, Any], within: str, data: Callable[[], Any]) -> CloudEvent:
    version, source, kind = (attributes.get(name) for name in ("specversion", "source", "type"))
    if version != SPEC_VERSION:
        wrong = "is required in a CloudEvent" if version is None else f"is {_quoted(version)}"
        raise _invalid("specversion", f'{wrong}; send "{SPEC_VERSION}"')
    if not (source is None or isinstance(source, str)):
        raise _invalid("source", "must be a string")
    if not isinstance(kind, str):
        raise _invalid("type", "is required" if kind is None else "must be a string")
    return CloudEvent(attributes.get("id"), source, kind, within, data)


def _data(envelope: Mapping[str, Any], max_bytes: int) -> Any:
    media_type = envelope.get("datacontenttype")
    if media_type is not None and not _is_json(media_type):
        raise _invalid("datacontenttype", f"is {_quoted(media_type)}; send {JSON_TYPE}")
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if encoded is not None:
        if data is not None:
            raise _invalid("data_base64", "stands beside data; send one of the two")
        return parsed(text_of(_from_base64(encoded), max_bytes))
    if "data" not in envelope:
        raise _invalid("data", "is required")
    if isinstance(data, str):
        raise _invalid("data", "is a string; put the JSON object itself there, not a string that holds it")
    return data


def _from_base64(encoded: object) -> bytes:
    try:
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except ValueError:
        pass
    raise _invalid("data_base64", "must be a string in base64")


def _is_json(media_type: object) -> bool:
    """Whether it is application/json, text/json, or anything with +json."""
    name = media_type.split(";")[0].strip().lower() if isinstance(media_type, str) else ""
    return name in (JSON_TYPE, "text/json") or name.endswith("+json")


def _quoted(value: object) -> str:
    return repr(value[:MAX_QUOTED]) if isinstance(value, str) else "no text"


def _invalid(name: str, what: str) -> MessageRejected:
    return MessageRejected(ParkedCode.INVALID_MESSAGE, f"{name}: {what}.", name, errors=[(name, what)])
