"""Why the broker gave a message up, told from headers that a sender may have forged, without decoding the body."""

from collections.abc import Mapping
from typing import Any

import pytest

from distribution.messages import Incoming
from worker.consume.death_reason import death_reason

INBOUND, DEAD = "contacts.inbound.v1", "contacts.dead"


def detail(*deaths: object, body_size: int | None = None) -> str:
    """The sentence for a message with these entries in `x-death`."""
    message = Incoming(b"{}", headers={"x-death": list(deaths)}, body_size=body_size)
    return death_reason(message, INBOUND, DEAD).detail


def death(reason: object, queue: object = INBOUND, **more: object) -> Mapping[str, object]:
    """An entry as RabbitMQ writes it."""
    return {"reason": reason, "queue": queue, "count": 1, "exchange": "contacts", "routing-keys": ["k"], **more}


def test_an_expired_message() -> None:
    """The sentence names the queue, the expiration, and what to do."""
    assert detail(death("expired", **{"original-expiration": "5000"})) == (
        "The broker gave the message up: it expired in contacts.inbound.v1 before a worker took it"
        " (expiration 5000 ms). Replay it, or publish without an expiration."
    )
    assert "message-ttl" in detail(death("expired"))


@pytest.mark.parametrize("reason", ["maxlen", "delivery_limit", "rejected"])
def test_every_other_reason_has_its_sentence(reason: str) -> None:
    """What happened and what to do, different for each."""
    said = detail(death(reason))
    assert INBOUND in said
    assert said not in (detail(death("expired")), detail(death("unheard of")))


def test_the_newest_entry_of_our_queue_counts() -> None:
    """A message that died in other queues before, or whose sender says so."""
    other = death("rejected", "bots.own")
    assert "was full" in detail(other, death("maxlen"), death("expired"))
    assert "'bots.own' rejected it" in detail(other)


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-death": None}, {"x-death": "expired"}, {"x-death": [1, "x"]}, {"x-death": [{}]},
     {"x-death": [death(["expired"], {"a": 1})]}, {"undecodable": b"\\xff"}],
)  # fmt: skip
def test_headers_that_say_nothing(headers: Mapping[str, Any]) -> None:
    """Whatever is there instead of the broker's words, the sentence says that nothing is known."""
    assert "does not say why" in death_reason(Incoming(b"{}", headers=headers), INBOUND, DEAD).detail


def test_odd_names_stay_in_one_line() -> None:
    """A queue's name may hold anything."""
    assert "\n" not in detail(death("expired", "a\nb\ud800\0"))
    detail(death("expired", "a\nb\ud800\0")).encode()


def test_what_is_not_whole_is_not_to_be_replayed() -> None:
    """Who parks it says what to do instead."""
    assert "eplay" not in detail(death("expired"), body_size=5_000_000)
