"""How carefully a delivery is handled."""

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.consume.delivery_buffer import ALONE, SAFE, SUSPECT, risk


def delivered(
    headers: dict[str, object] | None, *, again: bool, channel: AbstractChannel | None = None
) -> DeliveredMessage:
    """A delivery with these headers."""
    properties = Basic.Properties(headers=headers)  # type: ignore[arg-type]  # odd values are what is tried here
    header = ContentHeader(properties=properties)
    return DeliveredMessage(Basic.Deliver(delivery_tag=1, redelivered=again), header, b"", channel)  # type: ignore[arg-type]  # nobody asks it


@pytest.mark.parametrize(
    ("headers", "again", "expected"),
    [
        (None, False, SAFE),
        ({"x-delivery-count": 7}, False, SAFE),
        (None, True, SUSPECT),
        ({"x-delivery-count": 1}, True, SUSPECT),
        ({"x-delivery-count": "many"}, True, SUSPECT),
        ({"x-delivery-count": 2}, True, ALONE),
        ({"x-delivery-count": 19}, True, ALONE),
    ],
)
def test_what_came_back_is_handled_with_care(headers: dict[str, object] | None, again: bool, expected: int) -> None:
    """Only the broker's own word makes a message suspect, so that a sender cannot slow the others down."""
    assert risk(delivered(headers, again=again)) == expected
