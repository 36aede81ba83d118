"""Events as subscribers read them."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from distribution.event_shapes import OperatorReference
from distribution.events import ASSIGNED, CLOSED, REASSIGNED, WAITING, Change, body_of, parked_body

EVENT_ID = UUID("019aafe8-9a7b-7000-8000-000000000001")
CONTACT_ID = UUID("019aafe8-9a7a-7000-8000-000000000002")
OLGA: OperatorReference = {"id": 17, "name": "Olga"}

CHANGE = Change(
    id=EVENT_ID,
    type=ASSIGNED,
    contact_id=CONTACT_ID,
    status="active",
    message_id="m-1",
    lead={"id": 7, "external_id": "tg:1001", "phone": "+79991234567", "email": None},
    source={"id": 1, "code": "telegram-bot"},
    operator=OLGA,
    previous_operator=None,
    payload='{"text":"Where is my order?"}',
    sequence=1,
    reason="weighted_random",
)


def read(body: bytes) -> dict[str, Any]:
    """The event as a subscriber parses it."""
    found: dict[str, Any] = json.loads(body)
    return found


def test_attributes_are_in_the_order_of_the_releases_before() -> None:
    """So that the bytes of an event are the same, whichever release writes it."""
    assert [*read(body_of(CHANGE))] == [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"
    ]  # fmt: skip


def test_an_event_is_exactly_what_the_contract_shows() -> None:
    """Every field of the contract's example is there, with that meaning, and no other."""
    assert read(body_of(CHANGE)) == {
        "specversion": "1.0",
        "id": str(EVENT_ID),
        "source": "/contact-distribution",
        "type": "contact.assigned",
        "subject": str(CONTACT_ID),
        "time": "2025-11-23T08:50:48.059Z",
        "datacontenttype": "application/json",
        "data": {
            "contact": {
                "id": str(CONTACT_ID),
                "status": "active",
                "created_at": "2025-11-23T08:50:48.058Z",
                "message_id": "m-1",
            },
            "lead": {"id": 7, "external_id": "tg:1001", "phone": "+79991234567", "email": None},
            "source": {"id": 1, "code": "telegram-bot"},
            "operator": {"id": 17, "name": "Olga"},
            "previous_operator": None,
            "payload": {"text": "Where is my order?"},
            "sequence": 1,
            "reason": "weighted_random",
        },
    }


def test_an_event_of_a_waiting_contact_has_no_operator() -> None:
    """Operator is there and null while nobody has the contact."""
    waiting = replace(CHANGE, type=WAITING, status="waiting", operator=None, reason="nobody_eligible")
    data = read(body_of(waiting))["data"]
    assert data["operator"] is None
    assert data["contact"]["status"] == "waiting"


@pytest.mark.parametrize(
    ("kind", "operator", "key"),
    [
        (ASSIGNED, OLGA, "contact.assigned.telegram-bot.17"),
        (WAITING, None, "contact.waiting.telegram-bot"),
        (REASSIGNED, OLGA, "contact.reassigned.telegram-bot.17"),
        (CLOSED, OLGA, "contact.closed.telegram-bot.17"),
        (CLOSED, None, "contact.closed.telegram-bot.none"),
    ],
)
def test_routing_keys_let_a_subscriber_choose(kind: str, operator: OperatorReference | None, key: str) -> None:
    """A subscriber binds by type, source and operator as the contract's table says."""
    assert replace(CHANGE, type=kind, operator=operator).routing_key == key


@pytest.mark.parametrize("payload", ["null", "[1,2]", '"text"', str(10**40), '"\\u0000"', '{"ж":"😀"}'])
def test_the_payload_comes_out_as_it_went_in(payload: str) -> None:
    """Any JSON value a bot sent, big integers included, is in the event unchanged."""
    body = body_of(replace(CHANGE, payload=payload))
    assert read(body)["data"]["payload"] == json.loads(payload)
    assert payload in body.decode()


def test_an_event_keeps_its_body_when_it_is_made_again() -> None:
    """The same change gives the same bytes, so that a copy sent again is the same event."""
    assert body_of(replace(CHANGE)) == body_of(CHANGE)


def test_the_answer_to_a_parked_message_says_code_and_detail() -> None:
    """Who asked for a reply reads why its message was parked and which one it was."""
    event = read(parked_body(EVENT_ID, "unknown_source", "There is no source 'x'.", "m-1"))
    assert event["type"] == "contact.parked"
    assert event["data"] == {"code": "unknown_source", "detail": "There is no source 'x'.", "message_id": "m-1"}
    assert (event["id"], event["subject"]) == (str(EVENT_ID), "m-1")


@pytest.mark.parametrize("message_id", [None, ""])
def test_an_answer_without_a_message_id_is_a_valid_cloud_event(message_id: str | None) -> None:
    """CloudEvents allows no empty subject: a message without a key is answered without one."""
    event = read(parked_body(EVENT_ID, "missing_message_id", "Set message_id.", message_id))
    assert event.get("subject") != ""
    assert event["data"]["code"] == "missing_message_id"
