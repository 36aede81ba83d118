"""To which queues a reply may go."""

import pytest

from distribution.reply_queues import ReplyQueues
from worker.broker.topology import Topology

OTHERS = [
    "answers",
    "telegram.replies",
    "contacts-replies",
    "contacts.replies",
    "my.contacts.inbound.v1",
    "amqp",
    "ключ",
]
SERVER_NAMED = "amq.gen-JzTY20BRgKO-HjmUJj0wLg"
DIRECT = "amq.rabbitmq.reply-to.g1h3ABByZXBseUA.Zm9v"


@pytest.mark.parametrize("prefix", ["", "blue."])
def test_our_own_names_are_refused(prefix: str) -> None:
    """Every exchange and queue that the worker declares, and any other version of them."""
    topology, queues = Topology(prefix, "7D"), ReplyQueues(prefix)
    own = [exchange.name for exchange in topology.exchanges()] + [queue.name for queue in topology.queues()]
    own += [
        f"{prefix}{name}"
        for name in (
            "contacts.inbound",
            "contacts.inbound.v2",
            "contacts.inbound.\n",
            "contacts.dead.v3",
            "assignments.log.v2",
        )
    ]
    assert [name for name in own if queues.allow(name)] == []
    assert [name for name in own if ReplyQueues(prefix, prefix or "contacts").allow(name)] == []


@pytest.mark.parametrize("name", [*OTHERS, SERVER_NAMED, DIRECT])
def test_any_other_queue_is_allowed(name: str) -> None:
    """Queues of bots, those that the server named, and direct reply-to."""
    assert ReplyQueues().allow(name)
    assert ReplyQueues("blue.").allow(name)


@pytest.mark.parametrize(
    "name", ["amq.topic", "amq.", "amq.rabbitmq.trace", "amq.rabbitmq.log", "amq.generic", "amq.gen"]
)
def test_what_the_broker_reserves_is_refused(name: str) -> None:
    """All of `amq.*` but the two kinds that are made for replies."""
    assert not ReplyQueues().allow(name)
    assert not ReplyQueues(queue_prefix="amq.").allow(name)


def test_a_prefix_leaves_its_queues_and_direct_reply_to() -> None:
    """A queue that the server named may be anybody's, so the prefix holds for it as well."""
    queues = ReplyQueues("", "answers.")
    assert queues.allow("answers.telegram")
    assert queues.allow(DIRECT)
    assert [name for name in (*OTHERS, SERVER_NAMED, "Answers.x", "contacts.inbound.v1") if queues.allow(name)] == []
    assert ReplyQueues("", "amq.gen-").allow(SERVER_NAMED)


def test_names_of_another_prefix_are_not_ours() -> None:
    """Whoever has a prefix may have bots whose queues begin as ours would without one."""
    assert ReplyQueues("blue.").allow("contacts.inbound.v1")
