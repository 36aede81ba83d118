"""ETag and If-Match: an edit of what somebody else has changed meanwhile is refused."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

TAG = re.compile(r'(W/)?"([^"]*)"')
ANY = "*"


def tagged(version: str) -> Mapping[str, str]:
    """The header that names a version of an object.

    The name stands for what people can edit, not for every byte of the answer: a load may differ under the same name.
    Answers are not to be stored (no-store), so nothing else reads more into it.
    """
    return {"ETag": f'"{version}"'}


def versions_seen(headers: Headers) -> frozenset[str] | None:
    """The versions that If-Match names, without the weak ones, which never match; None where any will do."""
    given = headers.getlist("if-match")
    if not given or [value.strip() for value in given] == [ANY]:
        return None
    return frozenset(name for value in given for weak, name in TAG.findall(value) if not weak)
