"""Edits by people: who makes one, and which version of the object they saw before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from distribution.errors import VersionConflict

CHANGED = "It was changed meanwhile: read it again, then decide whether to change it still."


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose token asked: its role and, where it has one, its name."""

    role: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Versions that a client has seen; `problem` says why what they named may match none, if it is not well-formed."""

    versions: frozenset[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changes something, and the versions of it that they have seen (None: it does not matter)."""

    who: Actor
    seen: Seen | None = None

    def check(self, version: str) -> None:
        """VersionConflict unless this version was seen; to be called under the locks of the change."""
        if self.seen is not None and version not in self.seen.versions:
            raise VersionConflict(self.seen.problem or CHANGED)


def version_of(kind: str, key: object, editable: Mapping[str, Any]) -> str:
    """A name for what people can edit of an object: the same content has the same name.

    What changes without an edit (an operator's load, a weight's share) is no part of it, so that work going on does not
    make edits fail.
    """
    content = json.dumps([kind, str(key), editable], sort_keys=True)
    return blake2b(content.encode(), digest_size=12).hexdigest()
