"""Words the errors of a body for its sender, field by field: in terms of JSON types, never of Python's."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

VALUE_ERROR = "value_error"
"""The type of errors of our own validators, which are worded for senders already."""
PATTERNS = {r"^[a-z0-9_-]+$": "must consist of a-z, 0-9, _ and -"}
KINDS = {
    "is required": ("missing",),
    "is not known here": ("extra_forbidden",),
    "must be a string": ("string_type", "string_sub_type", "string_unicode", "bytes_type"),
    "must have at least {min_length} character{plural}": ("string_too_short",),
    "must have at most {max_length} character{plural}": ("string_too_long",),
    "must match {pattern}": ("string_pattern_mismatch",),
    "must be a JSON object": ("model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"),
    "must be a list": ("list_type", "tuple_type", "set_type", "iterable_type"),
    "must have at least {min_length} item{plural}": ("too_short",),
    "must have at most {max_length} item{plural}": ("too_long",),
    "must be null": ("none_required",),
    "must be true or false": ("bool_type", "bool_parsing"),
    "must be a whole number": ("int_type", "int_parsing", "int_from_float"),
    "must be a smaller number": ("int_parsing_size",),
    "must be a number": ("float_type", "float_parsing", "decimal_type", "decimal_parsing"),
    "must be a number that JSON has": ("finite_number",),
    "must be a multiple of {multiple_of}": ("multiple_of",),
    "must be greater than {gt}": ("greater_than",),
    "must be {ge} or more": ("greater_than_equal",),
    "must be less than {lt}": ("less_than",),
    "must be {le} or less": ("less_than_equal",),
    "must be one of: {expected}": ("literal_error", "enum"),
    "must be a UUID, as a string": ("uuid_type",),
    "must be a UUID": ("uuid_parsing", "uuid_version"),
    "must be a time such as 2026-11-23T10:00:00Z": ("datetime_type", "datetime_parsing", "datetime_from_date_parsing"),
    "must be a time with its zone, such as 2026-11-23T10:00:00Z": ("timezone_naive", "timezone_aware"),
    "must be a date such as 2026-11-23": ("date_type", "date_parsing", "date_from_datetime_parsing"),
    "must be a time of day such as 09:00": ("time_type", "time_parsing"),
    "is nested too deep": ("recursion_loop",),
}
"""What is wrong, and the library's types of error that mean it."""
WORDS = {kind: words for words, kinds in KINDS.items() for kind in kinds}
OTHERWISE = "is not what is expected here"


def describe(errors: list[ErrorDetails]) -> list[tuple[str, str]]:
    """(field, problem) for each error; the field is empty if the error concerns the whole body."""
    return [(".".join(str(part) for part in error["loc"]), _words(error)) for error in errors]


def _words(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == VALUE_ERROR:
        return str(context.get("error", OTHERWISE))
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERNS:
        return PATTERNS[context["pattern"]]
    return WORDS.get(kind, OTHERWISE).format_map({**context, "plural": _plural(context)})


def _plural(context: Mapping[str, Any]) -> str:
    return "" if 1 in (context.get("min_length"), context.get("max_length")) else "s"
