"""Command lines send and show numbers as they were written."""

import json

import httpx2
import pytest

from examples.admin import Admin
from examples.exact_json import shown
from worker.cli.publish import BadLine, parse
from worker.cli.watch import json_line

DIGITS = '{"a":[12345678901234567.89,1e-400,1E15,-0,1.0,1,123456789012345678901234567890]}'


def test_a_published_file_keeps_digits() -> None:
    """`contacts-worker publish --file` sends the numbers of its lines."""
    line = f'{{"message_id": "k", "source": "s", "lead": {{"external_id": "x"}}, "payload": {DIGITS}}}'
    assert parse(1, line).body.endswith(b'"payload":' + DIGITS.encode() + b"}")
    assert parse(1, f'{{"message_id": "k", "body": {DIGITS}}}').body.decode() == DIGITS


@pytest.mark.parametrize(("line", "words"), [('{"a": 1', "is not JSON: a comma is missing"), ("{} x", "is not JSON")])
def test_a_line_that_is_no_json_says_where(line: str, words: str) -> None:
    """The line, and the place in it."""
    with pytest.raises(BadLine, match=f"line 3: {words}"):
        parse(3, line)


def test_watch_shows_an_event_as_it_is() -> None:
    """`contacts-worker watch --json` prints what was sent."""
    assert json_line(DIGITS.encode()) == DIGITS


async def test_the_admin_example_shows_digits() -> None:
    """What the API answers is printed digit by digit, and still is numbers for whoever computes with it."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=f'{{"items": [{DIGITS}], "next_cursor": null}}')

    async with httpx2.AsyncClient(base_url="http://api/", transport=httpx2.MockTransport(answer)) as client:
        found = await Admin(client).contacts()
    assert "".join(shown(found).split()) == f"[{DIGITS}]"
    assert json.loads(json.dumps(found))[0]["a"][:3] == [12345678901234567.89, 0.0, 1e15]
