"""The one spelling of a phone number and of an e-mail address, so that the same one is found however it was written."""

import phonenumbers
from email_validator import validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat


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
    """Trimmed, the domain in lower case; None where it cannot be an address. What stands before the @ stays."""
    if not text:
        return None
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
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
