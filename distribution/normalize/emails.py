"""Normalizes e-mail addresses: lower case, no display name, `mailto:`, invisible characters or trailing dot."""

import re
import unicodedata
from urllib.parse import unquote

from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email

from distribution.normalize.visible import visible

SHORT = 64
PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@((?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,})")
IN_BRACKETS = re.compile(r"[^<>]*<+([^<>]*)>+")
COMMENT = re.compile(r"\([^()]*\)$")
URI = re.compile(r"mailto:(?://)?([^?]*)(?:\?.*)?", re.IGNORECASE)
AROUND, BEHIND = "'\"", " .,;"


def email(text: str | None) -> str | None:
    """The normalized address; None if there is none, or more than one.

    All in lower case: Anna@ and anna@ are the same person in practice, although the standard does not say so.
    """
    if not text:
        return None
    if len(text) <= SHORT and _is_plain(lower := text.strip().lower()):
        return lower
    result = _validated(_bare(text))
    return result if result is None or _validated(result) == result else None


def email_spellings(text: str | None) -> list[str]:
    """The normalized address, and its form under the previous rule, which kept the case before the @."""
    current = email(text)
    if text is None or current is None:
        return []
    local, at, _ = text.strip().rpartition("@")
    former = f"{local}{at}{current.rpartition('@')[2]}"
    return [current] if former == current else [current, former]


def _bare(text: str) -> str:
    """The address itself, out of a message header, a link or a sentence."""
    shown = unicodedata.normalize("NFKC", visible(text))
    if match := IN_BRACKETS.fullmatch(shown):
        shown = match[1]
    if match := URI.fullmatch(shown.strip()):
        shown = unquote(match[1])
    shown = COMMENT.sub("", shown.strip()).rstrip(BEHIND)
    for mark in AROUND:
        if shown.startswith(mark):
            shown = shown.removeprefix(mark).removesuffix(mark)
    return shown.strip().rstrip(BEHIND)


def _validated(address: str) -> str | None:
    try:
        # In lower case before and after: validation may bring capitals back.
        return validate_email(address.lower(), check_deliverability=False).normalized.lower()
    except ValueError:
        return None


def _is_plain(address: str) -> bool:
    """Whether the address is normalized already: most are, and validation in the library is slow."""
    if not (match := PLAIN.fullmatch(address)):
        return False
    domain = f".{match[1]}"
    return not any(domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
