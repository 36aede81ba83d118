"""What senders of messages may do."""

import json
from typing import Any
from uuid import UUID

import pytest

from distribution.errors import MessageRejected
from distribution.intake.sender_rules import SenderRules
from distribution.messages import CLOSE, Closing, Incoming, Submission
from distribution.reply_queues import ReplyQueues
from tests.factories import arrival, body

RULES = SenderRules({"hall": frozenset({"web", "fax"})}, ReplyQueues())
ID = UUID(int=7)


def submission(source: str, user: str | None) -> Incoming:
    """A submission of this user."""
    return Incoming(body(source=source), "m-1", user_id=user)


def close(user: str | None, **content: Any) -> Incoming:
    """A closing of this user."""
    return Incoming(json.dumps(content).encode(), type=CLOSE, user_id=user)


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (submission("web", None), "There is no user_id; set it to the broker user that you connect as."),
        (submission("web", "hell"), "Broker user 'hell' may use no source."),
        (submission("web", "Hall"), "Broker user 'Hall' may use no source."),
        (submission("telegram", "hall"), "Broker user 'hall' may not use source 'telegram'."),
        (close("hall", source="telegram", message_id="k"), "Broker user 'hall' may not use source 'telegram'."),
        (close(None, contact_id=str(ID)), "There is no user_id; set it to the broker user that you connect as."),
        (Incoming(b"{", user_id=None), "There is no user_id; set it to the broker user that you connect as."),
        (Incoming(b"{", user_id="hell"), "Broker user 'hell' may use no source."),
        (submission("web", "\udcff\0\x1b"), "Broker user '\\udcff\\x00\\x1b' may use no source."),
    ],
)
def test_what_is_not_allowed_says_why(message: Incoming, detail: str) -> None:
    """One sentence that the sender can act on; nothing of it can forge a line."""
    command = arrival(message, RULES).command
    assert isinstance(command, MessageRejected)
    assert (command.code, command.detail) == ("not_allowed", detail)


def test_what_is_allowed_is_as_without_rules() -> None:
    """A user's own sources; a broken message of a known user keeps its own reason."""
    for source in ("web", "fax"):
        assert isinstance(arrival(submission(source, "hall"), RULES).command, Submission)
    by_key = close("hall", source="web", message_id="k")
    assert isinstance(arrival(by_key, RULES).command, Closing)
    broken = arrival(Incoming(b"{", user_id="hall"), RULES).command
    assert isinstance(broken, MessageRejected)
    assert broken.code == "invalid_json"


def test_without_users_everybody_may() -> None:
    """The default: nobody is asked, and a closing is limited to no source."""
    assert isinstance(arrival(submission("web", None)).command, Submission)
    command = arrival(close(None, contact_id=str(ID))).command
    assert isinstance(command, Closing)
    assert command.sources is None


def test_a_closing_by_id_is_limited_to_the_users_sources() -> None:
    """Which source the contact is of shows only in the database."""
    command = arrival(close("hall", contact_id=str(ID)), RULES).command
    assert isinstance(command, Closing)
    assert command.sources == frozenset({"web", "fax"})


@pytest.mark.parametrize("queue", ["contacts.inbound.v1", "amq.topic", "\udcff", "a\0b"])
def test_a_reply_queue_that_is_refused_changes_nothing_else(queue: str) -> None:
    """The message is understood as ever, its properties are kept as they came, and nobody is answered."""
    sent = Incoming(body(), "m-1", reply_to=queue, properties={"reply_to": queue})
    found = arrival(sent)
    assert isinstance(found.command, Submission)
    assert (found.message.reply_to, found.message.properties) == (None, {"reply_to": queue})


def test_a_reply_queue_that_is_allowed_stays() -> None:
    """And so does a message that asks for nothing."""
    for queue in ("answers", "x" * 255, "amq.gen-abc", None):
        assert arrival(Incoming(body(), "m-1", reply_to=queue)).message.reply_to == queue
