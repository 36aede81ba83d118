r"""JSON whose numbers keep their digits, and in which half a surrogate pair becomes U+FFFD.

A float knows 17 digits, and JSON's readers turn `12345678901234567.89` into another number. Here a number that Python
would write in another way stays the text that it was.
"""

import json
import math
import re
from typing import Any, NoReturn

import orjson

from distribution.errors import MessageRejected, ParkedCode

MOST_DIGITS = 4300
"""Of a whole number: readers in Python refuse longer ones."""
SAFE_DIGITS = 18
"""Up to here orjson writes any whole number."""
SHALLOW = 200
"""So many levels orjson writes in any case."""
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
SOUND = re.compile(
    r"(?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)*+", re.DOTALL
)
"""JSON up to the next half of a surrogate pair; whole pairs and other escapes, of a backslash too, are part of it."""
WORDS = {
    "Expecting value": "a value is missing or misspelt",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Expecting ',' delimiter": "a comma is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Extra data": "there is more after its end",
    "Unterminated string starting at": "a string that begins there does not end",
    "Invalid control character at": "a control character, such as a line break, is not escaped",
    "Invalid \\escape": "a backslash stands before a character that is not escaped so",
    "Invalid \\uXXXX escape": "\\u stands without four hexadecimal digits",
    "Illegal trailing comma before end of": "a comma stands before a closing bracket",
}


def parsed(text: str) -> Any:
    """The JSON value, numbers that `written` writes as they were, or MessageRejected."""
    try:
        value = DECODER.decode(paired(text))
    except json.JSONDecodeError as wrong:
        detail = f"The body is not JSON: {_words(wrong)} (line {wrong.lineno}, column {wrong.colno})."
        raise _rejected(detail if text.strip() else "The body is empty; send a JSON object.") from None
    except RecursionError:
        raise _rejected("The body is nested too deep.") from None
    if text.count("[") + text.count("{") > SHALLOW:
        written(value)  # raises if it is nested deeper than can be written, even in parts that are not read
    return value


def written(value: Any, *, in_order: bool = False) -> bytes:
    """A value of `parsed` as JSON, names sorted if `in_order`; MessageRejected if it is nested too deep."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if in_order else None)
    except TypeError:
        raise _rejected("The body is nested too deep.") from None


def no_object() -> MessageRejected:
    """The answer to JSON that is well-formed, but no object."""
    errors = [("body", "must be a JSON object")]
    return MessageRejected(ParkedCode.INVALID_JSON, "The body is JSON, but not an object.", errors=errors)


def paired(text: str) -> str:
    """JSON text in which each escape of half a surrogate pair is one of U+FFFD."""
    if not ESCAPED_SURROGATE.search(text):
        return text
    parts, at = [], 0
    while True:
        sound = SOUND.match(text, at)
        end = sound.end() if sound else at
        parts.append(text[at:end])
        half = ESCAPED_SURROGATE.match(text, end)
        if half is None:
            return "".join([*parts, text[end:]])
        parts.append("\\ufffd")
        at = half.end()


def _whole(digits: str) -> Any:
    if len(digits) <= SAFE_DIGITS and digits != "-0":
        return int(digits)
    if len(digits) > MOST_DIGITS:
        raise _rejected(f"The body holds a whole number of more than {MOST_DIGITS} digits; send it as a string.")
    return orjson.Fragment(digits)


def _fraction(digits: str) -> Any:
    if math.isinf(float(digits)):
        raise _rejected("The body holds a number above 1.8e308, too large for readers of JSON; send it as a string.")
    return orjson.Fragment(digits)


def _no_number(name: str) -> NoReturn:
    raise _rejected(f"The body holds {name}, which is no number in JSON; send null or a string.")


def _words(wrong: json.JSONDecodeError) -> str:
    return next((words for said, words in WORDS.items() if wrong.msg.startswith(said)), "it is malformed")


def _rejected(detail: str) -> MessageRejected:
    return MessageRejected(ParkedCode.INVALID_JSON, detail)


DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, parse_constant=_no_number)
"""The standard one: it hands out the digits of every number, and orjson writes them as they are."""
