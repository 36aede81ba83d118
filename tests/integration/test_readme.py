"""What README shows to copy does what it says."""

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
from distribution.messages import Incoming, Submission, decode
from tests.integration.api_process import running

README = Path(__file__).parents[2] / "README.md"
TOKEN = "token-of-an-admin-0001"  # noqa: S105  # of this test
CONTACT = {"source": "telegram-bot", "lead": {"external_id": "tg:1001"}, "message_id": "m-1"}
SECONDS = 120


def first_steps() -> list[str]:
    """The commands of "First steps", block by block."""
    section = README.read_text(encoding="utf-8").partition("## First steps")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def test_the_first_steps_of_an_admin(tmp_path: Path) -> None:
    """From the first operator to the audit: no command is refused."""
    setting, create, _, _, look, day = first_steps()
    (alias,) = [line for line in setting.splitlines() if line.startswith("alias")]
    with (
        running(tmp_path, ADMIN_API_TOKENS=f"admin:{TOKEN}") as (_, url),
        httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}) as admin,
    ):
        printed = shell("\n".join((alias, create)), f"{url}/api/v1")
        contact = admin.post("/contacts", json=CONTACT).json()["id"]
        commands = "\n".join((alias, look, day)).replace("ID-FROM-ABOVE", contact)
        printed += shell(commands, f"{url}/api/v1")
        closed = admin.get(f"/contacts/{contact}").json()
        names = [operator["name"] for operator in admin.get("/operators").json()["items"]]
    assert "urn:contact-distribution:problem" not in printed
    assert names == ["Olga", "Ivan", "Petr"]
    assert closed["status"] == "closed"
    assert closed["operator"]["name"] in ("Olga", "Ivan")  # by their weights; Petr had it, and went on holiday


async def test_the_bot_of_the_first_steps_publishes_a_contact(rabbitmq: Broker) -> None:
    """As it stands there, with the broker of AMQP_URL."""
    (bot,) = [block for block in first_steps() if "aio_pika" in block]
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("contacts", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "contact.submit.#")
        child = await asyncio.create_subprocess_exec(
            "sh", "-ec", bot.replace(".venv/bin/python", sys.executable), env=os.environ | {"AMQP_URL": rabbitmq.url}
        )
        async with asyncio.timeout(SECONDS):
            assert await child.wait() == 0
        message = await queue.get()
        await exchange.delete()
    submission = decode(Incoming(message.body, message.message_id, message.type, message.content_type), 10_000)
    assert isinstance(submission, Submission)
    assert (submission.message_id, json.loads(submission.payload)) == ("tg-update-42", {"text": "Where is my order?"})


def shell(commands: str, api: str) -> str:
    """What the commands print; each has to succeed."""
    environment = os.environ | {"API": api, "ADMIN_TOKEN": TOKEN}
    done = subprocess.run(["sh", "-ec", commands], env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607  # README's
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
