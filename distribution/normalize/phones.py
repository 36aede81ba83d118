"""Phone numbers, as E.164 but for those that are written in two ways: these have one of them."""

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
    # A subscriber's number that begins with 2 to 5 is a landline's, and those have no ninth digit.
    55: (re.compile(r"([1-9]{2})([016-9]\d{7})"), r"\g<1>9\2"),
    229: (re.compile(r"(\d{8})"), r"01\1"),
}
"""By country code, the way that is not kept of the two in which WhatsApp and carriers write the same number.

Mexico's mobile numbers with a 1 (or 044 and 045), Argentina's with a 9, Brazil's without the ninth digit, Benin's
numbers without the 01 of 2024.
"""
KEPT = re.compile(r"\+(?:52\d{10}|54\d{10}|55[1-9]{2}9[016-9]\d{7}|22901\d{8})", re.ASCII)
"""What comes of it: the library has nothing to change about these."""
THE_OTHER: dict[int, Spelling] = {
    54: (re.compile(r"(\d{10})"), r"9\1"),
    55: (re.compile(r"([1-9]{2})9([016-9]\d{7})"), r"\1\2"),
    229: (re.compile(r"01(\d{8})"), r"\1"),
}
"""The way back; what the rule before could not read is not in it."""


def phone(text: str | None, region: str = "") -> str | None:
    """The normalized number; None if its country is unknown: it has a country code, or `region` names the country.

    A number with an extension has none: E.164 has no extensions, and without it the number is another party's.
    """
    if not text:
        return None
    if text[0] == "+" and text[1:].isdigit():
        found = text if KEPT.fullmatch(text) else _spelled(text, region)
    else:
        found = _read(text if TYPED.fullmatch(text) else _written(text), region)
    return found if found == text or found is None else _settled(found)


def phone_spellings(text: str | None, region: str = "") -> list[str]:
    """Its spelling, and the one that the rule before had for the same number: rows of either are found."""
    spelled = phone(text, region)
    if spelled is None:
        return []
    former = _rewritten(phonenumbers.parse(spelled), THE_OTHER)
    return [spelled] if former is None else [spelled, former]


def is_region(code: str) -> bool:
    """Whether this is a country whose phone numbers are known, as two capital letters."""
    return code in phonenumbers.SUPPORTED_REGIONS


def _settled(found: str) -> str | None:
    """The number as it stays when it is parsed again; a few invalid numbers lose another zero each time."""
    for _ in range(READINGS):
        if KEPT.fullmatch(found):
            return found
        before, again = found, _spelled(found, "")
        if again in (before, None):
            return again
        found = again
    return None


def _written(text: str) -> str:
    """As a number would be typed: no invisible characters, no URI's escapes, no words in brackets, plain spaces."""
    shown = visible(text)
    if "%" in shown:
        shown = unquote(shown)
    return SPACES.sub(" ", WORDS.sub("", shown))


def _read(written: str, region: str) -> str | None:
    """00 stands for a + where it does not begin a number of the region."""
    found = _spelled(written, region)
    if found is None and (international := INTERNATIONAL.fullmatch(written)):
        return _spelled(f"+{international[1]}", "")
    return found


def _spelled(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region or None)
    except (NumberParseException, ValueError):
        return None
    if number.extension:
        return None
    if number.country_code in ONE_OF_TWO and (kept := _rewritten(number, ONE_OF_TWO)) is not None:
        return kept
    if not phonenumbers.is_possible_number(number):
        return None
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def _rewritten(number: PhoneNumber, spellings: dict[int, Spelling]) -> str | None:
    """The number in its other way, if it is written in the one that `spellings` has."""
    if (spelling := spellings.get(number.country_code or 0)) is None:
        return None
    pattern, other = spelling
    found = pattern.fullmatch(phonenumbers.national_significant_number(number))
    return None if found is None else f"+{number.country_code}{found.expand(other)}"
