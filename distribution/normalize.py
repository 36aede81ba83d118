"""The one spelling of a phone number and of an e-mail address, so that the same one is found however it was written."""

import re

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

SHORT = 64
PLAIN_EMAIL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@((?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,})")


def phone(text: str | None, region: str = "") -> str | None:
    """E.164, where it can be told: the number starts with its country code, or `region` says whose it is.

    A number with an extension has no such spelling: E.164 knows none, and without it the number is somebody else's.
    """
    if not text:
        return None
    found = _e164(text, region)
    # A few numbers that nobody has lose another zero each time they are read.
    return found if found in (text, None) or _e164(found, "") == found else None


def email(text: str | None) -> str | None:
    """Trimmed, the domain in lower case; None where it cannot be an address.

    What stands before the @ stays, but for names such as Postmaster that are the same in any case everywhere.
    """
    if not text:
        return None
    trimmed = text.strip()
    if _is_plain(trimmed):
        return trimmed
    try:
        return validate_email(trimmed, check_deliverability=False).normalized
    except ValueError:
        return None


def is_region(code: str) -> bool:
    """Whether this is a country whose phone numbers are known, as two capital letters."""
    return code in phonenumbers.SUPPORTED_REGIONS


def _e164(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region or None)
    except (NumberParseException, ValueError):
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_plain(address: str) -> bool:
    """Whether it is what it would become: most addresses are, and the library takes longer than all else about them."""
    if len(address) > SHORT or not (found := PLAIN_EMAIL.fullmatch(address)):
        return False
    domain = f".{found[1]}"
    return not any(domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
