"""How much the broker is asked for, and how much makes a batch."""

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.aiormq_channels import Delivery
from worker.consume.delivery_buffer import ALONE, BATCH_BYTES, BUFFER_BYTES, SAFE, SUSPECT, first_batch
from worker.consume.prefetch import Prefetch

TOGETHER = {SAFE: 500, SUSPECT: 25, ALONE: 1}
KIB = 1024


def of(size: int, *, header: int = 100) -> Delivery:
    """A delivery with a body and a header of so many bytes."""
    nobody: AbstractChannel = None  # type: ignore[assignment]  # nobody asks it
    return Delivery(Basic.Deliver(delivery_tag=1), ContentHeader(), bytes(size), nobody, header, None)


def test_small_messages_soon_come_by_two_batches() -> None:
    """The worker begins with few, as it does not know what comes, and asks for all it can after two batches."""
    prefetch = Prefetch(TOGETHER)
    first = prefetch.number(SAFE)
    for _ in range(2):
        prefetch.saw([of(300)] * first)
    assert first < 100
    assert prefetch.number(SAFE) == 1000
    assert prefetch.misfits(SAFE, first)
    assert prefetch.misfits(SAFE, 512)
    assert not prefetch.misfits(SAFE, 1000)


def test_large_messages_come_by_few_at_once() -> None:
    """One batch of them is enough, and what is asked for is about what there is room for."""
    prefetch = Prefetch(TOGETHER)
    for _ in range(5):
        prefetch.saw([of(300)] * 500)
    prefetch.saw([of(250 * KIB)] * 16)
    assert prefetch.number(SAFE) * 250 * KIB <= BUFFER_BYTES
    assert prefetch.misfits(SAFE, 1000)
    assert not prefetch.misfits(SAFE, prefetch.number(SAFE))


def test_suspects_come_by_few_whatever_their_size() -> None:
    """Each risk class keeps its own limits."""
    prefetch = Prefetch(TOGETHER)
    prefetch.saw([of(10)] * 500)
    assert (prefetch.number(SUSPECT), prefetch.number(ALONE)) == (50, 1)
    assert not prefetch.misfits(ALONE, 1)


def test_a_batch_ends_at_its_bytes() -> None:
    """At least one message, whatever its size; a header of thousands of entries weighs what it takes in memory."""
    assert first_batch([of(10)] * 600, 500) == 500
    assert first_batch([of(BATCH_BYTES // 4)] * 10, 500) == 4
    assert first_batch([of(2 * BATCH_BYTES)] * 2, 500) == 1
    assert first_batch([of(10, header=100 * KIB)] * 10, 500) == 1
