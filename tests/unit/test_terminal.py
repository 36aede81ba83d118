"""Text from outside on a terminal: it neither steers it nor forges a line."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribution.terminal import escaped, escaped_json, tolerate_any_encoding

HOSTILE = {
    "clears the screen": "\x1b[2J",
    "sets the window's title": "\x1b]0;owned\x07",
    "8-bit control": "\x9b31m",
    "forges a line": "Olga\n2026-11-25T00:00:00Z contact.assigned",
    "overwrites its line": "Olga\rIvan",
    "deletes": "\x7f\x08",
    "reads backwards": "\u202egpj.exe",
    "isolates": "\u2066x\u2069",
    "invisible": "a\u200bb\ufeff",
    "ends a line elsewhere": "a\u2028b\u2029c\x85d",
    "lone surrogate": "\ud800",
    "tags": "\U000e0041",
}
HARMLESS = ["Olga", "Ольга Петрова", "می\u200cخ", "👩\u200d👧", "田中\u3000太郎", "a\u00a0b", "C:\\new"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_steers_a_terminal_is_shown_instead(text: str) -> None:
    """Nothing but visible characters is left, in one line."""
    shown = escaped(text)
    assert "\\" in shown
    assert shown.isprintable()


@pytest.mark.parametrize("text", HARMLESS)
def test_names_of_people_stay_as_they_are(text: str) -> None:
    """Whatever alphabet they are written in."""
    assert escaped(text) == text


@given(st.text())
def test_any_text_is_one_line_without_controls(text: str) -> None:
    """Escaping twice changes nothing more."""
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert not any(each < " " or "\x7f" <= each <= "\x9f" for each in shown)
    assert escaped(shown) == shown


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_stays_the_same_json(value: object) -> None:
    """A program that reads it gets what was there, and a terminal gets no control character."""
    document = json.dumps(value, ensure_ascii=False, indent=1)
    shown = escaped_json(document)
    assert json.loads(shown) == value
    assert not any((each < " " and each != "\n") or "\x7f" <= each <= "\x9f" for each in shown)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_json_for_a_terminal_that_is_not_utf_8_is_json(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """What the encoding lacks is JSON's own escape, and nothing else is touched."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    shown = escaped_json('{"who": "Ольга 🙂 é"}')
    assert json.loads(shown.encode(encoding).decode(encoding)) == {"who": "Ольга 🙂 é"}
    assert (encoding == "ascii") == ("é" not in shown)


def test_what_an_encoding_lacks_is_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows ASCII alone makes no traceback."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    tolerate_any_encoding()
    sys.stdout.write("Ольга → 7")
    sys.stdout.flush()
    assert raw.getvalue().startswith(b"\\u041e")
