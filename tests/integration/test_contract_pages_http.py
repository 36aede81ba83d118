"""The requests that docs/contract/ shows to copy do what the pages say."""

import json
import os
import subprocess
from pathlib import Path

import httpx2

from tests.integration.api_process import running
from tests.integration.contract_pages import blocks

TOKEN = "token-of-a-bot-0001"  # noqa: S105  # of this test

ADMIN = "token-of-an-admin-0001"


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
