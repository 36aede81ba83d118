"""What docs/contract/ shows to copy does what the pages say."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import httpx2

from admin_api.asyncapi.examples import event_example
from distribution.events import ASSIGNED, PARKED, REASSIGNED
from distribution.messages import CLOUDEVENTS_TYPE, Closing, Incoming, Submission, decode
from tests.integration.api_process import running
from tests.integration.snippets import SECONDS, Exchanges, blocks, finished, lines, message, node, python, started

TOKEN = "token-of-a-bot-0001"  # noqa: S105  # of this test
ADMIN = "token-of-an-admin-0001"


def test_the_messages_of_the_bots_page_are_understood() -> None:
    """The submission, the closing of it, and the CloudEvent."""
    submit, close, event = blocks("bots.md", "json")
    submission = decode(Incoming(submit.encode(), content_type="application/json"), 10_000)
    closing = decode(Incoming(close.encode(), type="contact.close"), 10_000)
    as_event = decode(Incoming(event.encode(), content_type=CLOUDEVENTS_TYPE), 10_000)
    assert isinstance(submission, Submission)
    assert isinstance(closing, Closing)
    assert isinstance(as_event, Submission)
    assert (closing.source, closing.message_id) == (submission.source, submission.message_id)
    assert (as_event.message_id, as_event.producer) == ("telegram-bot-1001-1", "/bots/telegram")


def test_the_event_of_the_subscribers_page_has_every_field() -> None:
    """The same fields as the code writes, at every level but the payload."""
    (shown,) = blocks("subscribers.md", "json")
    assert names(json.loads(shown)) == names(event_example(ASSIGNED))


def names(value: object) -> object:
    """The names of an object's fields, and of theirs."""
    return {name: names(inner) for name, inner in value.items()} if isinstance(value, dict) else None


async def test_a_bot_that_asks_for_the_outcome_prints_it(exchanges: Exchanges) -> None:
    """The reply to its own message, with its own correlation id."""
    child = await started(python(blocks("bots.md", "python")[0]), exchanges)
    async with asyncio.timeout(SECONDS), exchanges.inbound.iterator() as requests:
        request = await anext(requests)
        await request.ack()
    assert request.reply_to
    reply = message(event_example(PARKED), request.correlation_id)
    await exchanges.channel.default_exchange.publish(reply, request.reply_to)
    [line] = await lines(child, 1)
    assert line.startswith("telegram-bot-1001-2 contact.parked {'code': 'unknown_source'")
    assert await child.wait() == 0


async def test_the_subscriber_handles_each_event_once(exchanges: Exchanges, tmp_path: Path) -> None:
    """An event that comes again is skipped; the one after it is not."""
    (code,) = blocks("subscribers.md", "python")
    queue = await exchanges.channel.declare_queue("my-subscriber", durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(exchanges.assignments, "contact.#")
    again, moved = event_example(ASSIGNED), event_example(REASSIGNED) | {"id": "another"}
    for event in (again, again, moved):
        await exchanges.tell(event)
    child = await started(python(code), exchanges, SUBSCRIBER_DATABASE=str(tmp_path / "subscriber.db"))
    contact = again["data"]["contact"]["id"]
    assert await lines(child, 2) == [f"{contact} belongs to Olga", f"{contact} belongs to Ivan"]
    await finished(child)


async def test_the_log_is_replayed_from_its_beginning(exchanges: Exchanges) -> None:
    """Events that were published before the reader came, with their place in the log."""
    (code,) = blocks("subscribers.md", "js")
    for event in (event_example(ASSIGNED), event_example(REASSIGNED)):
        await exchanges.tell(event)
    child = await started(node(code), exchanges)
    shown = await lines(child, 2)
    await finished(child)
    identifier = event_example(ASSIGNED)["id"]
    assert shown == [f"0 {identifier} contact.assigned", f"1 {identifier} contact.reassigned"]


def test_the_curl_of_the_bots_page_submits_a_contact(tmp_path: Path) -> None:
    """Repeated, it is the same contact."""
    (command,) = [block for block in blocks("bots.md", "sh") if block.startswith("curl")]
    with (
        running(tmp_path, ADMIN_API_TOKENS=f"admin:{ADMIN},bot:{TOKEN}") as (_, url),
        httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {ADMIN}"}) as admin,
    ):
        assert admin.post("/sources", json={"code": "telegram-bot"}).status_code == 201
        answers = [shell(command, url, TOKEN) for _ in range(2)]
        (contact,) = admin.get("/contacts").json()["items"]
    assert [json.loads(answer)["id"] for answer in answers] == [contact["id"]] * 2


def test_the_curl_of_the_admin_page_does_what_it_says(tmp_path: Path) -> None:
    """All of it, from top to bottom, in one shell; the one refusal it shows is the one it announces."""
    with (
        running(tmp_path, ADMIN_API_TOKENS=f"admin:{ADMIN}") as (_, url),
        httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {ADMIN}"}) as admin,
    ):
        printed = shell("\n".join(blocks("admin.md", "sh")), url, ADMIN).splitlines()
        operators = admin.get("/operators").json()["items"]
        (contact,) = admin.get("/contacts").json()["items"]
        entries = admin.get("/audit?limit=200").json()["items"]
    assert [(o["name"], o["max_active_contacts"], o["is_active"]) for o in operators] == [
        ("Olga", 5, True),
        ("Ivan", 4, True),
    ]
    assert (contact["status"], contact["message_id"]) == ("closed", "by-hand-1")
    assert [line for line in printed if not line.startswith("{")] == ["412"]
    assert json.loads(printed[-1])["errors"][0]["field"] == "name"
    assert len(entries) > 5


def shell(commands: str, url: str, token: str) -> str:
    """What the commands print; each has to succeed."""
    environment = os.environ | {"API": url, "TOKEN": token}
    done = subprocess.run(["sh", "-ec", commands], env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607  # our page
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
