"""Words the errors of a body for its sender, field by field: in terms of JSON types, never of Python's."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

VALUE_ERROR = "value_error"
"""The type of errors of our own validators, which are worded for senders already."""
PATTERNS = {r"^[a-z0-9_-]+$": "must consist of a-z, 0-9, _ and -"}
ONE_OF = "must be one of: {expected}"
WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_sub_type": "must be a string",
    "string_unicode": "must be a string",
    "string_too_short": "must have at least {min_length} character{plural}",
    "string_too_long": "must have at most {max_length} character{plural}",
    "string_pattern_mismatch": "must match {pattern}",
    "bytes_type": "must be a string",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "mapping_type": "must be a JSON object",
    "dataclass_type": "must be a JSON object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "iterable_type": "must be a list",
    "too_short": "must have at least {min_length} item{plural}",
    "too_long": "must have at most {max_length} item{plural}",
    "none_required": "must be null",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number that JSON has",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "multiple_of": "must be a multiple of {multiple_of}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": ONE_OF,
    "enum": ONE_OF,
    "uuid_type": "must be a UUID, as a string",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID",
    "datetime_type": "must be a time such as 2026-11-23T10:00:00Z",
    "datetime_parsing": "must be a time such as 2026-11-23T10:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-11-23T10:00:00Z",
    "timezone_naive": "must be a time with its zone, such as 2026-11-23T10:00:00Z",
    "timezone_aware": "must be a time with its zone, such as 2026-11-23T10:00:00Z",
    "date_type": "must be a date such as 2026-11-23",
    "date_parsing": "must be a date such as 2026-11-23",
    "date_from_datetime_parsing": "must be a date such as 2026-11-23",
    "time_type": "must be a time of day such as 09:00",
    "time_parsing": "must be a time of day such as 09:00",
    "recursion_loop": "is nested too deep",
}
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
