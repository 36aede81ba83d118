r"""JSON whose numbers keep their digits, and in which a lone surrogate becomes U+FFFD.

A float has 17 digits, so JSON readers turn `12345678901234567.89` into another number. Here a number that Python
would write differently stays the text that it was.
"""

import json
import math
import re
from typing import Any, NoReturn

import orjson

from distribution.errors import MessageRejected, ParkedCode

MOST_DIGITS = 4300
"""The most digits of an integer: JSON readers in Python reject longer ones."""
SAFE_DIGITS = 18
"""Up to this many digits orjson can write any integer."""
SHALLOW = 200
"""The nesting depth that orjson can always write."""
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
SOUND = re.compile(
    r"(?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)*+", re.DOTALL
)
"""JSON up to the next lone surrogate escape; it includes whole pairs and other escapes, also of a backslash."""
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
    """The JSON value, with numbers that `written` reproduces exactly; raises MessageRejected."""
    try:
        value = DECODER.decode(paired(text))
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: {_words(error)} (line {error.lineno}, column {error.colno})."
        raise _rejected(detail if text.strip() else "The body is empty; send a JSON object.") from None
    except RecursionError:
        raise _rejected("The body is nested too deep.") from None
    if text.count("[") + text.count("{") > SHALLOW:
        written(value)  # raises if it is nested too deeply to be written, even in parts that are never read
    return value


def written(value: Any, *, in_order: bool = False) -> bytes:
    """A value of `parsed` as JSON, names sorted if `in_order`; raises MessageRejected if it is nested too deeply."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if in_order else None)
    except TypeError:
        raise _rejected("The body is nested too deep.") from None


def not_an_object() -> MessageRejected:
    """The rejection of JSON that is well-formed but not an object."""
    errors = [("body", "must be a JSON object")]
    return MessageRejected(ParkedCode.INVALID_JSON, "The body is JSON, but not an object.", errors=errors)


def paired(text: str) -> str:
    """The JSON text with each escape of a lone surrogate replaced by one of U+FFFD."""
    if not ESCAPED_SURROGATE.search(text):
        return text
    parts, at = [], 0
    while True:
        sound = SOUND.match(text, at)
        end = sound.end() if sound else at
        parts.append(text[at:end])
        lone = ESCAPED_SURROGATE.match(text, end)
        if lone is None:
            return "".join([*parts, text[end:]])
        parts.append("\\ufffd")
        at = lone.end()


def _integer(digits: str) -> Any:
    if len(digits) <= SAFE_DIGITS and digits != "-0":
        return int(digits)
    if len(digits) > MOST_DIGITS:
        raise _rejected(f"The body holds a whole number of more than {MOST_DIGITS} digits; send it as a string.")
    return orjson.Fragment(digits)


def _fraction(digits: str) -> Any:
    if math.isinf(float(digits)):
        raise _rejected("The body holds a number above 1.8e308, too large for readers of JSON; send it as a string.")
    return orjson.Fragment(digits)


def _not_a_number(name: str) -> NoReturn:
    raise _rejected(f"The body holds {name}, which is no number in JSON; send null or a string.")


def _words(error: json.JSONDecodeError) -> str:
    return next((words for start, words in WORDS.items() if error.msg.startswith(start)), "it is malformed")


def _rejected(detail: str) -> MessageRejected:
    return MessageRejected(ParkedCode.INVALID_JSON, detail)


DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_not_a_number)
"""The standard decoder, but it passes on the digits of each number, and orjson writes them unchanged."""
