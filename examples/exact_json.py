"""Reads and prints JSON with every number as it was written: a float would round a long one."""

import json
from typing import Any, Self

import orjson

SAFE_DIGITS = 18


class Fraction(float):
    """A number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Parse the digits and keep them."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Whole(int):
    """A whole number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Parse the digits and keep them."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def loads(document: str) -> Any:
    """Parse a JSON document."""
    return DECODER.decode(document)


def shown(value: object) -> str:
    """A value of `loads` as indented JSON."""
    return orjson.dumps(value, _as_written, orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_SUBCLASS).decode()


def _as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Fraction | Whole):
        return orjson.Fragment(value.text)
    raise TypeError(type(value).__name__)


def _whole(text: str) -> int:
    return int(text) if len(text) <= SAFE_DIGITS and text != "-0" else Whole(text)


DECODER = json.JSONDecoder(parse_float=Fraction, parse_int=_whole)
