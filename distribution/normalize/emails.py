"""E-mail addresses in lower case and bare: without a display name, `mailto:`, invisible characters and a last dot."""

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
    """The spelling of an address; None if there is none, or more than one.

    All in lower case: Anna@ and anna@ are the same person in practice, although the standard leaves it open.
    """
    if not text:
        return None
    if len(text) <= SHORT and _is_plain(lower := text.strip().lower()):
        return lower
    found = _spelled(_bare(text))
    return found if found is None or _spelled(found) == found else None


def email_spellings(text: str | None) -> list[str]:
    """Its spelling, and the one that the rule before had for an address written so: the case before the @ stayed."""
    spelled = email(text)
    if text is None or spelled is None:
        return []
    local, at, _ = text.strip().rpartition("@")
    former = f"{local}{at}{spelled.rpartition('@')[2]}"
    return [spelled] if former == spelled else [spelled, former]


def _bare(text: str) -> str:
    """What is left of an address as it stands in a message's head, in a link or in a sentence."""
    shown = unicodedata.normalize("NFKC", visible(text))
    if found := IN_BRACKETS.fullmatch(shown):
        shown = found[1]
    if found := URI.fullmatch(shown.strip()):
        shown = unquote(found[1])
    shown = COMMENT.sub("", shown.strip()).rstrip(BEHIND)
    for mark in AROUND:
        if shown.startswith(mark):
            shown = shown.removeprefix(mark).removesuffix(mark)
    return shown.strip().rstrip(BEHIND)


def _spelled(address: str) -> str | None:
    try:
        # In lower case before and after: to validate an address may bring capitals back.
        return validate_email(address.lower(), check_deliverability=False).normalized.lower()
    except ValueError:
        return None


def _is_plain(address: str) -> bool:
    """Whether it is what it would become: most addresses are, and the library takes longer than all else about them."""
    if not (found := PLAIN.fullmatch(address)):
        return False
    domain = f".{found[1]}"
    return not any(domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
