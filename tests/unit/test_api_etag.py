"""Which versions a request says it has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from admin_api.http.etag import MALFORMED, WEAK, parse_if_match, tagged
from distribution.optimistic_locking import ExpectedVersions


@pytest.mark.parametrize(
    ("values", "seen", "problem"),
    [
        ([], None, ""),
        (["*"], None, ""),
        ([" * "], None, ""),
        ([""], None, ""),
        (["  ", ""], None, ""),
        (["", "*"], None, ""),
        (['"a"'], {"a"}, ""),
        (['"a", "b"'], {"a", "b"}, ""),
        (['"a",, "b",'], {"a", "b"}, ""),
        (['"a"', '"b"'], {"a", "b"}, ""),
        (['"with, comma"'], {"with, comma"}, ""),
        (['"*"'], {"*"}, ""),
        (['"a"', 'W/"c","b"'], {"a", "b"}, WEAK),
        (['W/"a"'], set(), WEAK),
        (['w/"a"'], {"a"}, MALFORMED),
        (["a"], set(), MALFORMED),
        (['"'], set(), MALFORMED),
        ([","], set(), MALFORMED),
        (["'a'"], set(), MALFORMED),
        (['"a" "b'], {"a"}, MALFORMED),
        (["*", '"a"'], {"a"}, MALFORMED),
        (["*, *"], set(), MALFORMED),
    ],
)
def test_strong_tags_are_read_and_what_cannot_match_is_explained(
    values: list[str], seen: set[str] | None, problem: str
) -> None:
    """One, several, in one header or in two; a star alone is any, an empty header is none."""
    headers = Headers(raw=[(b"if-match", value.encode()) for value in values])
    assert parse_if_match(headers) == (None if seen is None else ExpectedVersions(frozenset(seen), problem))


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes_are_read(values: list[bytes]) -> None:
    """Whatever stands in the header, it names some versions or any; never an error."""
    found = parse_if_match(Headers(raw=[(b"if-match", value) for value in values]))
    assert found is None or isinstance(found, ExpectedVersions)


@given(st.text("0123456789abcdef", min_size=1))
def test_what_was_told_comes_back(version: str) -> None:
    """An ETag sent back as it came names its version."""
    assert parse_if_match(Headers({"If-Match": tagged(version)["ETag"]})) == ExpectedVersions(frozenset({version}))
