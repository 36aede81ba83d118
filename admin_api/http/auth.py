"""Authentication: bearer tokens, each with a role."""

import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from starlette.datastructures import Headers

from admin_api.http.problems import RequestRejected
from distribution.messages import SOURCE_CODE

ENTRY = re.compile(r"(?:[^,:\[]*\[[^\]]*\])?[^,]*")
"""An entry of the setting: up to a comma that is not in the brackets of its role."""
TOKEN = re.compile(r"[!-+\--9;-~]{16,512}")  # visible ASCII but comma and colon
NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
SCHEME = "bearer"
CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"
    BOT = "bot"
    ADMIN = "admin"


READERS = frozenset({Role.VIEWER, Role.ADMIN})
SUBMITTERS = frozenset({Role.BOT, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
EVERYBODY: frozenset[Role] = frozenset()


class UnknownToken(RequestRejected):
    """A token was sent that is not in ADMIN_API_TOKENS."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The role of a token, its name if it has one, and the codes of the sources it is bound to (None: unbound)."""

    role: Role
    name: str | None = None
    sources: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The known tokens, kept as digests."""

    known: tuple[tuple[bytes, Identity], ...]

    def identity_of(self, token: bytes) -> Identity | None:
        """Returns the identity of a token; takes the same time wherever it differs from a known one."""
        digest, match = _digest(token), None
        for known, identity in self.known:
            if hmac.compare_digest(known, digest):
                match = identity
        return match


def parse_tokens(text: str) -> Tokens:
    """Parses `role:token` or `role:name:token`, comma-separated; ValueError never quotes the input.

    A bot may be bound to sources: `bot[web,telegram]:name:token`.
    """
    entries = [entry.strip() for entry in ENTRY.findall(text) if entry.strip()]
    known = [_parse_entry(number, entry) for number, entry in enumerate(entries, start=1)]
    if len({digest for digest, _ in known}) < len(known):
        raise ValueError("the same token stands in two entries")
    return Tokens(tuple(known))


def authenticate(headers: Headers, tokens: Tokens) -> Identity:
    """Returns whose request it is; raises RequestRejected (401) without a token, UnknownToken if it is not known."""
    if not tokens.known:
        raise _unauthorized("This API knows no tokens yet. Set ADMIN_API_TOKENS and start it again.")
    values = headers.getlist("authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != SCHEME:
        raise _unauthorized("Send the header Authorization: Bearer <token>.")
    identity = tokens.identity_of(token.strip().encode("latin-1"))
    if identity is None:
        raise UnknownToken(401, "unauthorized", "The token is not known.", headers=CHALLENGE)
    return identity


def authorize(identity: Identity, roles: frozenset[Role]) -> None:
    """Raise RequestRejected (403) unless the role is one of these."""
    if identity.role not in roles:
        allowed = " or ".join(sorted(roles))
        raise RequestRejected(403, "forbidden", f"The token's role is {identity.role}; this takes {allowed}.")


def authorize_source(identity: Identity | None, source: str) -> None:
    """Raise RequestRejected (403) unless the token may be used for this source, even if the source does not exist."""
    if identity is not None and identity.sources is not None and source not in identity.sources:
        allowed = " or ".join(sorted(identity.sources))
        raise RequestRejected(403, "forbidden", f"The token is bound to sources; this takes the source {allowed}.")


def _parse_entry(number: int, entry: str) -> tuple[bytes, Identity]:
    parts = entry.split(":")
    if len(parts) not in (2, 3):
        raise ValueError(f"entry {number} is not role:token or role:name:token")
    name, token = parts[1] if len(parts) == 3 else None, parts[-1]
    role, bracket, bound = parts[0].partition("[")
    if role not in list(Role):
        raise ValueError(f"entry {number} has an unknown role, expected one of {', '.join(Role)}")
    if name is not None and not NAME.fullmatch(name):
        raise ValueError(f"entry {number} has a name that is not 1 to 64 letters, digits or _ . @ -")
    if not TOKEN.fullmatch(token):
        raise ValueError(f"entry {number} has a token that is not 16 to 512 visible ASCII characters")
    sources = _parse_sources(number, role, bound) if bracket else None
    return _digest(token.encode()), Identity(Role(role), name, sources)


def _parse_sources(number: int, role: str, bound: str) -> frozenset[str]:
    if role != Role.BOT:
        raise ValueError(f"entry {number} binds a role to sources that is not {Role.BOT}")
    sources = frozenset(code.strip() for code in bound.removesuffix("]").split(","))
    if not bound.endswith("]") or not all(map(SOURCE_CODE.fullmatch, sources)):
        raise ValueError(f"entry {number} has brackets that are not [source,source]")
    return sources


def _digest(token: bytes) -> bytes:
    return blake2b(token).digest()


def _unauthorized(detail: str) -> RequestRejected:
    return RequestRejected(401, "unauthorized", detail, headers=CHALLENGE)
