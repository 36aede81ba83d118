"""Which versions a request says it has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from admin_api.tags import tagged, versions_seen


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([], None),
        (["*"], None),
        ([" * "], None),
        (['"a"'], {"a"}),
        (['"a", "b"'], {"a", "b"}),
        (['"a"', 'W/"c","b"'], {"a", "b"}),
        (['"with, comma"'], {"with, comma"}),
        (['W/"a"'], set()),
        (["a"], set()),
        ([""], set()),
        (['"'], set()),
        (["*", '"a"'], {"a"}),
        (['"*"'], {"*"}),
    ],
)
def test_strong_tags_are_read_and_weak_ones_match_nothing(values: list[str], seen: set[str] | None) -> None:
    """One, several, in one header or in two; a star alone is any; what is none of these names nothing."""
    headers = Headers(raw=[(b"if-match", value.encode()) for value in values])
    assert versions_seen(headers) == (None if seen is None else frozenset(seen))


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes_are_read(values: list[bytes]) -> None:
    """Whatever stands in the header, it names some versions or any; never an error."""
    found = versions_seen(Headers(raw=[(b"if-match", value) for value in values]))
    assert found is None or isinstance(found, frozenset)


@given(st.text("0123456789abcdef", min_size=1))
def test_what_was_told_comes_back(version: str) -> None:
    """An ETag sent back as it came names its version."""
    assert versions_seen(Headers({"If-Match": tagged(version)["ETag"]})) == frozenset({version})
