"""What README shows to copy does what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2

from distribution.messages import Submission, decode
from tests.integration.api_process import running
from tests.integration.snippets import Exchanges, status

README = Path(__file__).parents[2] / "README.md"
TOKEN = "token-of-an-admin-0001"  # noqa: S105  # of this test
CONTACT = {"source": "telegram-bot", "lead": {"external_id": "tg:1001"}, "message_id": "m-1"}


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


async def test_the_bot_of_the_first_steps_publishes_a_contact(exchanges: Exchanges) -> None:
    """As it stands there, with the broker of AMQP_URL."""
    (bot,) = [block for block in first_steps() if "aio_pika" in block]
    assert await status(["sh", "-ec", bot.replace(".venv/bin/python", sys.executable)], exchanges) == 0
    submission = decode(await exchanges.published(), 10_000)
    assert isinstance(submission, Submission)
    assert (submission.message_id, json.loads(submission.payload)) == ("tg-update-42", {"text": "Where is my order?"})


def shell(commands: str, api: str) -> str:
    """What the commands print; each has to succeed."""
    environment = os.environ | {"API": api, "ADMIN_TOKEN": TOKEN}
    done = subprocess.run(["sh", "-ec", commands], env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607  # README's
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
