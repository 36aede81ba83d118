"""`python -m tests.hostile.http_figures`: how each attack affects an honest client, and what the limits cost."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx2
import psutil
import typer

from tests.hostile.http_attacks import ATTACKS, HOST, TOKEN
from tests.integration.api_process import running

NO_ATTACK = "none"
REFUSED = re.compile(r"contacts_api_requests_total.*status=\"4")
EVERY_SECONDS = 0.02
SETTLE_SECONDS = 1.0
CONNECTIONS = 16
PLAIN = {"h11": "plain uvicorn, h11", "httptools": "plain uvicorn, httptools", "ours": "ours"}


@dataclass(frozen=True, slots=True)
class Honest:
    """Honest requests' latency in ms, failed ones, the server's memory in MiB, requests it refused per second."""

    requests: int
    failed: int
    p50: float
    p99: float
    memory: int
    refused: float


async def honest(url: str, server: psutil.Process, seconds: float) -> Honest:
    """Send a request every 20 ms, every third one on a new connection."""
    waits: list[float] = []
    failed = memory = 0
    ends = time.monotonic() + seconds
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10, trust_env=False) as client:
        while time.monotonic() < ends:
            begun = time.perf_counter()
            close = {"Connection": "close"} if len(waits) % 3 == 0 else {}
            try:
                failed += (await client.get(f"{url}/api/v1/operators", headers=close)).status_code != 200
            except httpx2.HTTPError:
                failed += 1
            waits.append((time.perf_counter() - begun) * 1000)
            memory = max(memory, server.memory_info().rss >> 20)
            await asyncio.sleep(EVERY_SECONDS)  # the rate of honest requests
        lines = (await client.get(f"{url}/metrics")).text.splitlines()
    cuts = statistics.quantiles([*waits, waits[-1]], n=100)
    refused = sum(float(line.split()[-1]) for line in lines if REFUSED.match(line))
    return Honest(len(waits), failed, cuts[49], cuts[98], memory, refused / seconds)


@contextmanager
def attacked(name: str, port: int, seconds: float) -> Iterator[None]:
    """Run the attack during the block; none for NO_ATTACK."""
    if name == NO_ATTACK:
        yield
        return
    command = [sys.executable, "-m", "tests.hostile.http_attacks", name, str(port), str(seconds)]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own module
        try:
            time.sleep(SETTLE_SECONDS)  # figures are taken under the full attack, not while it grows
            yield
        finally:
            process.terminate()


def attack(name: str, folder: Path, seconds: float) -> None:
    """Run one attack on a process of its own, and print a line."""
    settings = {"ADMIN_API_TOKENS": f"admin:{TOKEN}", "PYTHONPATH": os.getcwd()}
    with (
        running(folder, **settings) as (process, url),
        attacked(name, httpx2.URL(url).port or 0, seconds + 2 * SETTLE_SECONDS),
    ):
        figures = asyncio.run(honest(url, psutil.Process(process.pid), seconds))
    typer.echo(
        f"{name:15} {figures.requests:5} requests {figures.failed:3} failed  p50 {figures.p50:6.1f} ms  "
        f"p99 {figures.p99:6.1f} ms  {figures.memory:4} MiB  "
        f"{figures.refused:6.0f} refused/s"
    )


async def rate(port: int, seconds: float) -> float:
    """Requests per second over persistent connections."""
    ends, count = time.monotonic() + seconds, 0

    async def send_requests() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection(HOST, port)
        while time.monotonic() < ends:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\nok")
            count += 1
        writer.close()

    await asyncio.gather(*(send_requests() for _ in range(CONNECTIONS)))
    return count / seconds


def throughput(kind: str, seconds: float) -> None:
    """Print the throughput of a server with an application that does nothing, in a line."""
    command = [sys.executable, "-m", "tests.hostile.baseline_server", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            asyncio.run(rate(port, 1))
            typer.echo(f"{PLAIN[kind]:25} {asyncio.run(rate(port, seconds)):6.0f} requests/s")
        finally:
            process.terminate()


def main(seconds: Annotated[float, typer.Option(help="for each attack")] = 10) -> None:
    """Measure every attack, and the throughput beside plain uvicorn."""
    for name in (NO_ATTACK, *ATTACKS, NO_ATTACK):
        attack(name, Path(tempfile.mkdtemp(prefix="contacts-http-")), seconds)
    for kind in (*PLAIN, *PLAIN):
        throughput(kind, seconds / 2)


if __name__ == "__main__":
    typer.run(main)
