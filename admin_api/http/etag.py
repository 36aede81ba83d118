"""ETag and If-Match: an edit of what somebody else has changed meanwhile is refused."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from distribution.optimistic_locking import Seen

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
    """The header that names a version of an object.

    The name stands for what people can edit, not for every byte of the answer: a load may differ under the same name.
    Answers are not to be stored (no-store), so nothing else reads more into it.
    """
    return {"ETag": f'"{version}"'}


def versions_seen(headers: Headers) -> Seen | None:
    """The versions that If-Match names, without the weak ones, which never match; None if any will do.

    An empty header is none. Its `problem` says what of the header cannot match anything.
    """
    given = [value.strip() for value in headers.getlist("if-match") if value.strip()]
    if not given or given == [ANY]:
        return None
    found = [tag for value in given for tag in TAG.findall(value)]
    rest = "".join(TAG.sub("", value) for value in given)
    problem = MALFORMED if rest.strip(" \t,") or not found else WEAK if any(weak for weak, _ in found) else ""
    return Seen(frozenset(name for weak, name in found if not weak), problem)
