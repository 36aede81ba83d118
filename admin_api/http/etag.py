"""ETag and If-Match: an edit of an object that has changed meanwhile is refused."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from distribution.optimistic_locking import ExpectedVersions

TAG = re.compile(r'(W/)?"([^"]*)"')
ANY = "*"
WEAK = (
    'If-Match has a weak ETag (W/"…"), which matches nothing (RFC 9110): send it without W/. A proxy that compresses'
    " answers, such as nginx with gzip, makes our ETags weak."
)
MALFORMED = (
    'If-Match is not understood: it takes ETags in double quotes, as the header ETag has them ("3f2a…"), separated by'
    " commas; or * alone."
)


def tagged(version: str) -> Mapping[str, str]:
    """Returns the header ETag for a version of an object.

    The version covers what people can edit, not every byte of the response: a load may differ under the same ETag. That
    is safe because responses are never cached (no-store).
    """
    return {"ETag": f'"{version}"'}


def parse_if_match(headers: Headers) -> ExpectedVersions | None:
    """Returns the versions in If-Match, without weak ones, which never match; None if any version will do.

    An empty header counts as absent. `problem` says why a part of the header cannot match.
    """
    values = [value.strip() for value in headers.getlist("if-match") if value.strip()]
    if not values or values == [ANY]:
        return None
    tags = [tag for value in values for tag in TAG.findall(value)]
    rest = "".join(TAG.sub("", value) for value in values)
    problem = MALFORMED if rest.strip(" \t,") or not tags else WEAK if any(weak for weak, _ in tags) else ""
    return ExpectedVersions(frozenset(name for weak, name in tags if not weak), problem)
