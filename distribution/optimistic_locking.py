"""Edits by people: who makes one, and which version of the object they expect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from distribution.errors import VersionConflict

CHANGED = "It was changed meanwhile: read it again, then decide whether to change it still."


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request: the token's role and, if it has one, its name."""

    role: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedVersions:
    """Versions that a client accepts, by If-Match; `problem` says why a malformed one may match none."""

    versions: frozenset[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changes an object, and the versions of it that they expect (None: any)."""

    actor: Actor
    expected: ExpectedVersions | None = None

    def check(self, version: str) -> None:
        """Raise VersionConflict unless this version is expected; call it under the locks of the change."""
        if self.expected is not None and version not in self.expected.versions:
            raise VersionConflict(self.expected.problem or CHANGED)


def version_of(kind: str, key: object, editable: Mapping[str, Any]) -> str:
    """Returns a hash of what people can edit of an object: the same content has the same version.

    Values that change without an edit (an operator's load, a weight's share) are left out, so that ongoing work does
    not make edits fail.
    """
    content = json.dumps([kind, str(key), editable], sort_keys=True)
    return blake2b(content.encode(), digest_size=12).hexdigest()
