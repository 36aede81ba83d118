"""Cursors go to where they came from, and nothing else is one."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.http.cursor import cursor_of, number_after, uuid_after
from admin_api.http.problems import RequestRejected
from distribution.store.tables import MAX_ID


@given(st.integers(0, MAX_ID))
def test_a_number_comes_back(number: int) -> None:
    """For every id that a database can give."""
    assert number_after(cursor_of(number)) == number


@given(st.uuids())
def test_a_uuid_comes_back(uid: UUID) -> None:
    """For every UUID."""
    assert uuid_after(cursor_of(uid)) == uid


def test_none_is_the_beginning_and_the_end() -> None:
    """No cursor in, no cursor out."""
    assert (cursor_of(None), number_after(None), uuid_after(None)) == (None, None, None)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    """It is a cursor that would be made again just so, or it is 422; never another error."""
    for parse in (number_after, uuid_after):
        found = outcome(parse, text)
        if isinstance(found, RequestRejected):
            assert [name for name, _ in found.errors] == ["cursor"]
        else:
            assert cursor_of(found) == text


def test_the_cursor_of_another_kind_is_refused() -> None:
    """A list by numbers takes no UUID, and the other way round."""
    with pytest.raises(RequestRejected):
        number_after(cursor_of(UUID(int=1)))
    with pytest.raises(RequestRejected):
        uuid_after(cursor_of(1))


def outcome(parse: Callable[[str], int | UUID | None], text: str) -> int | UUID | RequestRejected | None:
    """What a text stands for, or why it stands for nothing."""
    try:
        return parse(text)
    except RequestRejected as refused:
        return refused
