"""The properties of a parked message: kept as JSON, read again, shown."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from distribution.ids import isoformat

TYPE = "message_type"
"""What the client library calls the property `type`; rows are written so that the release before can read them."""


def as_json(properties: Mapping[str, Any]) -> str:
    """As they are kept."""
    try:
        return json.dumps(dict(properties), ensure_ascii=False, allow_nan=False, default=plain)
    except ValueError:
        return json.dumps(_with_words(dict(properties)), ensure_ascii=False, default=plain)


def _with_words(value: Any) -> Any:
    """The same with "nan" and "inf" as words: a header may hold them, JSON knows no such numbers."""
    match value:
        case dict():
            return {name: _with_words(inner) for name, inner in value.items()}
        case list():
            return [_with_words(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def plain(value: object) -> object:
    """What JSON has no word for: bytes, moments and all else."""
    match value:
        case bytes() | bytearray():
            return {"base64": base64.b64encode(value).decode()}
        case datetime():
            return isoformat(value if value.tzinfo else value.replace(tzinfo=UTC))
        case _:
            return str(value)


def text(value: object) -> str | None:
    """The inverse of `plain` for a property that is a text; bytes that are no UTF-8 as lone surrogates."""
    if isinstance(value, dict):
        return base64.b64decode(value.get("base64", "")).decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None


def shown(properties: str) -> dict[str, Any]:
    """The properties under AMQP's names, with times as everywhere: also of rows that earlier releases wrote."""
    kept: dict[str, Any] = json.loads(properties)
    found = {"type" if name == TYPE else name: value for name, value in kept.items()}
    if "timestamp" in found:
        found["timestamp"] = _time(found["timestamp"])
    headers = found.get("headers")
    deaths = headers.get("x-death") if isinstance(headers, dict) else None
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, dict) and "time" in death:
            death["time"] = _time(death["time"])
    return found


def _time(value: object) -> object:
    """A moment as an earlier release kept it, like all others; anything else as it is."""
    try:
        return plain(datetime.fromisoformat(value)) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        return value
