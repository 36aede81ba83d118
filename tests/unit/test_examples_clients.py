"""The bot writes and the subscriber reads what the contract shows."""

import json

import pytest

from examples import bot, subscriber
from examples.subscriber import Event, Subscriber

EVENT = {
    "specversion": "1.0",
    "id": "0199",
    "source": "/contact-distribution",
    "type": "contact.assigned",
    "subject": "c-1",
    "time": "2026-11-23T10:00:00.123Z",
    "datacontenttype": "application/json",
    "data": {
        "contact": {"id": "c-1", "status": "active", "created_at": "2026-11-23T10:00:00.123Z", "message_id": "m-1"},
        "lead": {"id": 7, "external_id": "tg:1001", "phone": "+79991234567", "email": "anna@example.com"},
        "source": {"id": 1, "code": "telegram-bot"},
        "operator": {"id": 17, "name": "Olga"},
        "previous_operator": None,
        "payload": {"text": "Where is my order?"},
        "sequence": 1,
        "reason": "weighted_random",
    },
}


def test_a_submission_is_what_the_contract_shows() -> None:
    """The body has the fields of `contact.submit` and no others."""
    made = bot.submission("telegram-bot", "tg:1001", "m-1", "Where is my order?", "+79991234567")

    assert made.message_id == "m-1"
    assert json.loads(made.body) == {
        "source": "telegram-bot",
        "lead": {"external_id": "tg:1001", "phone": "+79991234567"},
        "payload": {"text": "Where is my order?"},
    }


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("contact.assigned", {"operator": {"id": 17, "name": "Olga"}}, "contact.assigned: Olga"),
        ("contact.waiting", {"operator": None}, "contact.waiting: no operator yet"),
        ("contact.parked", {"code": "unknown_source", "detail": "Make it."}, "parked as unknown_source: Make it."),
    ],
)
def test_an_outcome_is_told_in_words(kind: str, data: dict[str, object], words: str) -> None:
    """Assigned, waiting and parked each say what the bot's author has to know."""
    assert bot.describe(bot.Outcome("m-1", "0199", kind, data)) == words


def test_an_event_delivered_twice_is_seen_once() -> None:
    """The id decides, not the content."""
    seen: list[Event] = []
    listening = Subscriber(seen.append)

    for body in (EVENT, EVENT, {**EVENT, "id": "0200"}):
        listening.take(json.dumps(body).encode())

    assert [event.id for event in seen] == ["0199", "0200"]
    assert listening.repeated == 1


def test_an_event_is_one_short_line() -> None:
    """Lead, source and operator are what a person looks for."""
    event = subscriber.read_event(json.dumps(EVENT).encode())

    assert subscriber.describe(event).endswith("tg:1001 via telegram-bot → Olga")


def test_brackets_in_a_leads_id_stay_as_they_are() -> None:
    """An external id is text from outside, never markup."""
    data = {**EVENT["data"], "lead": {"external_id": "[red]1"}}  # type: ignore[dict-item]  # the values of EVENT are of several types
    event = subscriber.read_event(json.dumps({**EVENT, "data": data}).encode())

    assert r"\[red]1" in subscriber.describe(event)
