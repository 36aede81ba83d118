"""The properties of a parked message: stored as JSON, restored, shown."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from distribution.ids import isoformat

TYPE = "message_type"
"""The client library's name of the property `type`; stored under it, so that the previous release can read the rows."""


def as_json(properties: Mapping[str, Any]) -> str:
    """The properties as they are stored."""
    try:
        return json.dumps(dict(properties), ensure_ascii=False, allow_nan=False, default=plain)
    except ValueError:
        return json.dumps(_non_finite_as_strings(dict(properties)), ensure_ascii=False, default=plain)


def _non_finite_as_strings(value: Any) -> Any:
    """The value with "nan" and "inf" as strings: a header may hold them, but JSON has no such numbers."""
    match value:
        case dict():
            return {name: _non_finite_as_strings(inner) for name, inner in value.items()}
        case list():
            return [_non_finite_as_strings(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def plain(value: object) -> object:
    """A value that JSON has no type for (bytes, a time, anything else) as one that it has."""
    match value:
        case bytes() | bytearray():
            return {"base64": base64.b64encode(value).decode()}
        case datetime():
            return isoformat(value if value.tzinfo else value.replace(tzinfo=UTC))
        case _:
            return str(value)


def text(value: object) -> str | None:
    """The inverse of `plain` for a string property; bytes that are not UTF-8 become lone surrogates."""
    if isinstance(value, dict):
        return base64.b64decode(value.get("base64", "")).decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None


def shown(properties: str) -> dict[str, Any]:
    """The properties under AMQP's names, with times in the usual format even if an earlier release wrote the row."""
    stored: dict[str, Any] = json.loads(properties)
    named = {"type" if name == TYPE else name: value for name, value in stored.items()}
    if "timestamp" in named:
        named["timestamp"] = _usual_time(named["timestamp"])
    headers = named.get("headers")
    deaths = headers.get("x-death") if isinstance(headers, dict) else None
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, dict) and "time" in death:
            death["time"] = _usual_time(death["time"])
    return named


def _usual_time(value: object) -> object:
    """A time stored by an earlier release, in the usual format; anything else unchanged."""
    try:
        return plain(datetime.fromisoformat(value)) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        return value
