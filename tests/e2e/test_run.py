"""`make run` as a developer uses it: what it prints, and what is there the next time."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import httpx2
import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from devservices.app_process import app_environment
from devservices.ports import free_ports
from devservices.rabbitmq_node import MANAGEMENT, STREAM, find_rabbitmq, installed
from tests.clients import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
WORDS = re.compile(r"^(admin API|admin token|broker|its page|its streams|data) {2,}(\S.*)$")
QUEUE = "left-by-the-first-run"


@asynccontextmanager
async def running(data: Path, *options: str) -> AsyncIterator[dict[str, str]]:
    """What it prints, by name, once everything is ready; stopped with Ctrl-C."""
    ports = {name: str(free_ports(1)[0]) for name in ("ADMIN_API_PORT", "WORKER_HEALTH_PORT")}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.run", "--data", str(data), *options),
        cwd=ROOT,
        # Without an engine for containers, whose broker could not be kept.
        env=app_environment(ports | {"DOCKER_HOST": "unix:///none"}),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert child.stderr is not None
    said, printed = dict[str, str](), list[str]()
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        while not (line := (await child.stderr.readline()).decode()).startswith("Ctrl-C"):
            assert line, printed
            printed.append(line)
            if found := WORDS.match(line):
                said[found[1]] = found[2].strip()
    reading = asyncio.create_task(child.stderr.read())
    try:
        yield said
    finally:
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await child.wait() == 0
            await reading


async def names_of_operators(said: dict[str, str]) -> list[str]:
    """Who is in the database."""
    headers = {"Authorization": f"Bearer {said['admin token']}"}
    async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
        answer = (await http.get(f"{said['admin API'].split()[0]}/api/v1/operators")).json()
    return [operator["name"] for operator in answer["items"]]


async def has_queue(said: dict[str, str]) -> bool:
    """Whether the broker still has the queue of the first run."""
    async with aiormq.connect(said["broker"]) as connection:
        channel = await connection.channel()
        try:
            await channel.queue_declare(QUEUE, passive=True)
        except ChannelNotFoundEntity:
            return False
    return True


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return set(os.listdir(folder))


async def test_broker_and_database_stay_together_and_go_together(tmp_path: Path) -> None:
    """Both are there in the next run; with --fresh neither is, and nothing was deleted. Addresses fit every client."""
    tools = find_rabbitmq()
    if tools is None:
        pytest.fail("needs rabbitmq-server as a program (apt-get install rabbitmq-server): a container keeps nothing")
    async with running(tmp_path) as first:
        headers = {"Authorization": f"Bearer {first['admin token']}"}
        async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
            await http.post(f"{first['admin API'].split()[0]}/api/v1/operators", json={"name": "Olga"})
            if installed(tools, [MANAGEMENT]):
                assert (await http.get(first["its page"].split()[0])).is_success
        async with aiormq.connect(first["broker"]) as connection:
            await (await connection.channel()).queue_declare(QUEUE, durable=True)
        assert first["broker"].endswith("/%2F")
        assert ("its streams" in first) == bool(installed(tools, [STREAM]))
        assert str(tmp_path / "contacts.db") in first["data"]
        assert str(tmp_path / "broker") in first["data"]
    async with running(tmp_path) as second:
        assert (await names_of_operators(second), await has_queue(second)) == (["Olga"], True)
        assert second["broker"] == first["broker"]
    async with running(tmp_path, "--fresh") as third:
        assert (await names_of_operators(third), await has_queue(third)) == ([], False)
    (aside,) = (tmp_path / name for name in names(tmp_path) if name.startswith("before-"))
    assert names(aside) >= {"contacts.db", "broker"}
    assert str(aside) in third["data"]
