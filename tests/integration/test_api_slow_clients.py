"""Clients of the real process that are slow, many, or never end."""

import asyncio
import json
import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil

from tests.integration.api_process import ADMIN, running
from tests.integration.raw_http import EMPTY, HALF, Wire, connected, log_of
from tests.polling import until

SOON_SECONDS = 5
HEAD_SECONDS = 10
STOP_SECONDS = 20
FILES = 256
STALLED = 120
TOKENS = {"ADMIN_API_TOKENS": "admin:s3cret-of-an-admin,bot:s3cret-of-some-bot"}
BEARER = b"\r\nHost: x\r\nAuthorization: Bearer "
ADMINS, BOTS = BEARER + b"s3cret-of-an-admin", BEARER + b"s3cret-of-some-bot"
ENDLESS = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
HUGE = b"\r\nContent-Length: 1000000000\r\n\r\n"
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


async def test_half_open_connections_keep_nobody_out(tmp_path: Path) -> None:
    """More of them than the process may open files: an honest request is answered, and it is logged once."""
    with running(tmp_path, FILES) as (process, url):
        async with connected(url, *[HALF] * (FILES + 44)), httpx2.AsyncClient() as honest:
            for _ in range(3):
                assert (await honest.get(f"{url}/readyz", timeout=SOON_SECONDS)).status_code == 200
            async with connected(url, *[EMPTY] * (FILES + 44)), httpx2.AsyncClient() as another:
                assert (await another.get(f"{url}/readyz", timeout=SOON_SECONDS)).status_code == 200
        [full] = [line for line in log_of(process) if line["event"] == "connections_at_limit"]
        assert full["addresses"] == {"127.0.0.1": 1}
        assert full["limit"] < FILES


async def test_a_limit_on_open_files_that_is_met_all_the_same_is_no_silence(tmp_path: Path) -> None:
    """Where something else has used them up: it is logged, and those who only wait make room."""
    with running(tmp_path) as (process, url):
        async with connected(url, *[HALF] * 40):
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (45, 45))
            async with connected(url, *[HALF] * 40), httpx2.AsyncClient() as honest:
                await logged(process, "open_files_at_limit")
                await answered(honest, f"{url}/healthz")
        assert "open_files_at_limit" not in [line["event"] for line in log_of(process)]


async def test_files_that_are_not_read_hold_no_file_open(tmp_path: Path) -> None:
    """Each connection takes one of the files that the process may open, and not a second one."""
    request = b"GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with running(tmp_path, FILES) as (process, url), ExitStack() as stack:
        async with httpx2.AsyncClient() as first:
            assert (await first.get(f"{url}/readyz", timeout=SOON_SECONDS)).status_code == 200
        before = psutil.Process(process.pid).num_fds()
        for _ in range(STALLED):
            stalled = stack.enter_context(socket.socket())
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # else the kernel takes the whole file
            stalled.connect((httpx2.URL(url).host, httpx2.URL(url).port))
            stalled.sendall(request)
            assert stalled.recv(12) == b"HTTP/1.1 200"
        assert psutil.Process(process.pid).num_fds() <= before + STALLED
        async with httpx2.AsyncClient() as honest:
            assert (await honest.get(f"{url}/readyz", timeout=SOON_SECONDS)).status_code == 200


async def logged(process: subprocess.Popen[str], event: str) -> None:
    """Wait for a line of the log."""
    assert process.stderr is not None
    while json.loads(await asyncio.to_thread(process.stderr.readline))["event"] != event:
        pass


async def answered(client: httpx2.AsyncClient, url: str) -> None:
    """Wait for a good answer."""

    async def is_answered() -> bool:
        try:
            return (await client.get(url)).status_code == 200
        except httpx2.TransportError:
            return False

    await until(is_answered, SOON_SECONDS)


async def test_a_head_has_to_arrive_in_time(tmp_path: Path) -> None:
    """Nothing at all, half of it, or a little of it each second: the connection ends after ten seconds."""
    with running(tmp_path) as (process, url):
        begun = time.monotonic()
        async with connected(url, EMPTY, HALF, HALF) as (empty, half, dripping):
            drops = asyncio.create_task(drip(dripping))
            ends = await asyncio.gather(empty.rest(), half.rest(), dripping.rest())
            assert HEAD_SECONDS - 1 < time.monotonic() - begun < HEAD_SECONDS + SOON_SECONDS
            await drops
        assert [end.split(b"\r\n")[0] for end in ends] == [b"", *[b"HTTP/1.1 408 Request Timeout"] * 2]
        [slow] = [line for line in log_of(process) if line["event"] == "slow_client_dropped"]
        assert slow["addresses"] == {"127.0.0.1": 1}


async def drip(wire: Wire) -> None:
    """A byte of a header each second, for as long as the head may take."""
    for _ in range(HEAD_SECONDS):
        await wire.send(b"x")
        await asyncio.sleep(1)  # what is tested: a client this slow


async def test_a_body_that_nobody_wants_ends_the_connection(tmp_path: Path) -> None:
    """Endless or huge, on every sort of refusal and on what takes no body: answered at once, then closed."""
    starts = (
        (b"POST /api/v1/operators HTTP/1.1\r\nHost: x", 401),
        (b"POST /api/v1/operators HTTP/1.1" + BEARER + b"wrong-wrong-wrong", 401),
        (b"POST /api/v1/operators HTTP/1.1" + BOTS, 403),
        (b"POST /nothing HTTP/1.1\r\nHost: x", 404),
        (b"PUT /healthz HTTP/1.1\r\nHost: x", 405),
        (b"POST /api/v1/operators HTTP/1.1" + ADMINS, 413),
        (b"GET /healthz HTTP/1.1\r\nHost: x", 200),
        (b"GET /metrics HTTP/1.1" + ADMINS, 200),
    )
    with running(tmp_path, **TOKENS) as (_, url):
        for framing in (ENDLESS, HUGE):
            await asyncio.gather(*[refused_and_closed(url, start + framing, status) for start, status in starts])


async def refused_and_closed(url: str, head: bytes, status: int) -> None:
    """One connection: the response comes while the body is sent, then the connection ends."""
    async with connected(url, head) as [wire], asyncio.timeout(4 * SOON_SECONDS):
        sending = asyncio.create_task(send_on(wire, CHUNK))
        found, headers, _ = await wire.response()
        assert (found, headers["connection"]) == (status, "close"), head
        await sending


async def send_on(wire: Wire, chunk: bytes) -> None:
    """Send the same bytes until the other side ends the connection."""
    while not wire.writer.transport.is_closing():
        await wire.send(chunk)
        await asyncio.sleep(0)  # a turn for who reads: sending may never wait


async def test_a_small_body_that_nobody_reads_keeps_the_connection(tmp_path: Path) -> None:
    """A refusal costs an honest client no new connection, whether its body came with the head or later."""
    with running(tmp_path, **TOKENS) as (_, url):
        start = b"POST /api/v1/operators HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"
        async with connected(url, start + b"hello world", start) as wires:
            for wire, late in zip(wires, (b"", b"hello world"), strict=True):
                assert (await wire.response())[0] == 401
                await wire.send(late + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await wire.response())[0] == 200


async def test_sigterm_waits_for_no_slow_client(tmp_path: Path) -> None:
    """Half-open, idle, in the midst of a body, not reading: it ends in time, and well."""
    with running(tmp_path, **TOKENS) as (process, url):
        body = b"POST /api/v1/operators HTTP/1.1" + ADMINS + b"\r\nContent-Length: 9\r\n\r\n{"
        script = b"GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
        async with connected(url, EMPTY, HALF, body, script * 4), httpx2.AsyncClient(headers=ADMIN) as idle:
            assert (await idle.get(f"{url}/api/v1/operators")).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STOP_SECONDS) == 0


async def test_guessing_tokens_is_slowed_down_and_logged(tmp_path: Path) -> None:
    """By the connection's address, whatever a header claims; a known token works all the while."""
    with running(tmp_path, **TOKENS) as (process, url):
        async with httpx2.AsyncClient(base_url=url, limits=httpx2.Limits(max_connections=100)) as client:
            begun = time.monotonic()
            guesses = [guess(client, f"guess-{number:020}", f"10.0.0.{number}") for number in range(60)]
            guessing = asyncio.gather(*guesses)
            for _ in range(5):
                assert (await client.get("/api/v1/operators", headers=ADMIN)).status_code == 200
            statuses = sorted(await guessing)
            assert statuses == [401] * 10 + [429] * 50
            assert time.monotonic() - begun > 1
            assert await guess(client, "guess-that-comes-later", "10.0.0.1") == 429
        log = log_of(process)
        assert [(line["event"], line["addresses"]) for line in log] == [("wrong_tokens", {"127.0.0.1": 1})]
        assert "guess" not in str(log)


async def test_behind_a_trusted_proxy_the_client_is_who_it_says(tmp_path: Path) -> None:
    """The last address of X-Forwarded-For that is no proxy; what clients wrote before it does not count."""
    with running(tmp_path, **TOKENS, ADMIN_API_TRUSTED_PROXIES="127.0.0.0/8, 10.9.9.9") as (_, url):
        async with httpx2.AsyncClient(base_url=url) as client:
            for number in range(10):
                assert await guess(client, "guess-by-one-client", f"8.8.8.{number}, 192.0.2.1, 10.9.9.9") == 401
            assert await guess(client, "guess-by-one-client", "192.0.2.1") == 429
            assert await guess(client, "guess-by-another", "192.0.2.2") == 401


async def guess(client: httpx2.AsyncClient, token: str, forwarded_for: str) -> int:
    """The status of a request with a wrong token."""
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": forwarded_for}
    answer = await client.get("/api/v1/operators", headers=headers)
    assert answer.status_code == 401 or int(answer.headers["retry-after"]) > 0
    return answer.status_code
