"""Normalizes phone numbers to E.164; of numbers that are written in two ways, to one of the two."""

import re
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber

from distribution.normalize.visible import visible

READINGS = 3
TYPED = re.compile(r"[-+()./0-9 ]+")
SPACES = re.compile(r"[\s_]+")
WORDS = re.compile(r"\([^()\d]*[^\W\d_][^()\d]*\)")
INTERNATIONAL = re.compile(r"[^\d+]*00[\s.-]*([1-9].*)")

Spelling = tuple[re.Pattern[str], str]
ONE_OF_TWO: dict[int, Spelling] = {
    52: (re.compile(r"0?(?:1|44|45)(\d{10})"), r"\1"),
    54: (re.compile(r"9(\d{10}|\d{12})"), r"\1"),
    # A subscriber number that begins with 2 to 5 is a landline, which has no ninth digit.
    55: (re.compile(r"([1-9]{2})([016-9]\d{7})"), r"\g<1>9\2"),
    229: (re.compile(r"(\d{8})"), r"01\1"),
}
"""By country code, the discarded one of the two ways in which WhatsApp and carriers write the same number.

Mexico's mobile numbers with a 1 (or 044 and 045), Argentina's with a 9, Brazil's without the ninth digit, Benin's
numbers without the 01 of 2024.
"""
KEPT = re.compile(r"\+(?:52\d{10}|54\d{10}|55[1-9]{2}9[016-9]\d{7}|22901\d{8})", re.ASCII)
"""Results of that: the library would not change these."""
THE_OTHER: dict[int, Spelling] = {
    54: (re.compile(r"(\d{10})"), r"9\1"),
    55: (re.compile(r"([1-9]{2})9([016-9]\d{7})"), r"\1\2"),
    229: (re.compile(r"01(\d{8})"), r"\1"),
}
"""The reverse; without the forms that the previous rule could not read."""


def phone(text: str | None, region: str = "") -> str | None:
    """The normalized number; None if neither a country code nor `region` gives its country.

    None also for a number with an extension: E.164 has none, and without it the number reaches another party.
    """
    if not text:
        return None
    if text[0] == "+" and text[1:].isdigit():
        number = text if KEPT.fullmatch(text) else _parsed(text, region)
    else:
        number = _from_typed(text if TYPED.fullmatch(text) else _as_typed(text), region)
    return number if number == text or number is None else _until_stable(number)


def phone_spellings(text: str | None, region: str = "") -> list[str]:
    """The normalized number, and the form of the previous rule: stored rows may have either."""
    current = phone(text, region)
    if current is None:
        return []
    former = _rewritten(phonenumbers.parse(current), THE_OTHER)
    return [current] if former is None else [current, former]


def is_region(code: str) -> bool:
    """Whether `code`, two capital letters, is a country whose phone numbers the library knows."""
    return code in phonenumbers.SUPPORTED_REGIONS


def _until_stable(number: str) -> str | None:
    """The number once parsing no longer changes it; a few invalid numbers lose another zero each time."""
    for _ in range(READINGS):
        if KEPT.fullmatch(number):
            return number
        again = _parsed(number, "")
        if again is None or again == number:
            return again
        number = again
    return None


def _as_typed(text: str) -> str:
    """The text as a number would be typed: no invisible characters, URI escapes or words in brackets; plain spaces."""
    shown = visible(text)
    if "%" in shown:
        shown = unquote(shown)
    return SPACES.sub(" ", WORDS.sub("", shown))


def _from_typed(typed: str, region: str) -> str | None:
    """Normalize typed text; a leading 00 means + if the text is not a number of the region."""
    number = _parsed(typed, region)
    if number is None and (international := INTERNATIONAL.fullmatch(typed)):
        return _parsed(f"+{international[1]}", "")
    return number


def _parsed(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region or None)
    except (NumberParseException, ValueError):
        return None
    if number.extension:
        return None
    if number.country_code in ONE_OF_TWO and (rewritten := _rewritten(number, ONE_OF_TWO)) is not None:
        return rewritten
    if not phonenumbers.is_possible_number(number):
        return None
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def _rewritten(number: PhoneNumber, spellings: dict[int, Spelling]) -> str | None:
    """The number written the other way if it matches the way in `spellings`, else None."""
    if (spelling := spellings.get(number.country_code or 0)) is None:
        return None
    pattern, replacement = spelling
    match = pattern.fullmatch(phonenumbers.national_significant_number(number))
    return None if match is None else f"+{number.country_code}{match.expand(replacement)}"
