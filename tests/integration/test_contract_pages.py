"""What docs/contract/ shows to copy does what the pages say."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aio_pika
import httpx2

from devservices.broker import Broker
from distribution.messages import Closing, Incoming, Submission, decode
from tests.integration.api_process import running

PAGES = Path(__file__).parents[2] / "docs" / "contract"
TOKEN = "token-of-a-bot-0001"  # noqa: S105  # of this test
ADMIN = "token-of-an-admin-0001"
SECONDS = 60


def blocks(page: str, language: str) -> list[str]:
    """The page's code in a language."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_messages_of_the_bots_page_are_understood() -> None:
    """The submission and the closing of it."""
    submit, close = blocks("bots.md", "json")
    submission = decode(Incoming(submit.encode(), content_type="application/json"), 10_000)
    closing = decode(Incoming(close.encode(), type="contact.close"), 10_000)
    assert isinstance(submission, Submission)
    assert isinstance(closing, Closing)
    assert (closing.source, closing.message_id) == (submission.source, submission.message_id)


async def test_the_python_of_the_bots_page_publishes_a_contact(rabbitmq: Broker) -> None:
    """It ends once the broker has confirmed it; its key is in the body."""
    (code,) = blocks("bots.md", "python")
    connection = await aio_pika.connect(rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("contacts", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "contact.submit.#")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env=os.environ | {"AMQP_URL": rabbitmq.url}
        )
        async with asyncio.timeout(SECONDS):
            assert await child.wait() == 0
        message = await queue.get()
        await exchange.delete()
    submission = decode(Incoming(message.body, content_type=message.content_type), 10_000)
    assert isinstance(submission, Submission)
    assert (submission.source, submission.message_id) == ("telegram-bot", "telegram-bot-1001-1")


def test_the_curl_of_the_bots_page_submits_a_contact(tmp_path: Path) -> None:
    """Repeated, it is the same contact."""
    (command,) = blocks("bots.md", "sh")
    with (
        running(tmp_path, ADMIN_API_TOKENS=f"admin:{ADMIN},bot:{TOKEN}") as (_, url),
        httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {ADMIN}"}) as admin,
    ):
        assert admin.post("/sources", json={"code": "telegram-bot"}).status_code == 201
        environment = os.environ | {"API": url, "TOKEN": TOKEN}
        shell = ["sh", "-c", command]
        answers = [
            subprocess.run(shell, env=environment, capture_output=True, check=True).stdout  # noqa: S603  # our page
            for _ in range(2)
        ]
        (contact,) = admin.get("/contacts").json()["items"]
    assert [json.loads(answer)["id"] for answer in answers] == [contact["id"]] * 2
