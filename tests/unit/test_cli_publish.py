"""`contacts-worker publish`: a line becomes a message as it is written."""

import pytest

from worker.cli.publish import BadLine, Message, messages, parse

NUMBERS = ["12345678901234567.89", "1e-400", "1e15", "1.0", "1", "123456789012345678901234567890", "-0.0"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_sent_as_they_are_written(number: str) -> None:
    """Digit by digit, since the payload is somebody else's data."""
    line = f'{{"message_id": "m", "source": "web", "lead": {{"external_id": "7"}}, "payload": {{"n": {number}}}}}'
    assert f'"payload":{{"n":{number}}}}}' in parse(1, line).body.decode()


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    """As some editors write it; the first line is a message like the others."""
    (only,) = messages('\ufeff{"message_id": "m"}')
    assert isinstance(only, Message)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"message_id": "m", "payload": NaN}',
        '{"message_id": 7}',
        '{"message_id": "m", "payload": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=["cut", "NaN", "a number for a key", "deep"],
)
def test_what_cannot_be_sent_is_named_and_keeps_nothing_back(line: str) -> None:
    """Each is one line that says where; the next line is a message."""
    bad, good = messages(f'{line}\n{{"message_id": "m"}}')
    assert isinstance(bad, BadLine)
    assert str(bad).startswith("line 1: ")
    assert isinstance(good, Message)
