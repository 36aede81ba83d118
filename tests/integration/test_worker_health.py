"""The worker's health pages, with clients that are slow or many."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.integration.raw_http import GET, HALF, PATIENCE_SECONDS, connected
from worker.health import MOST_CONNECTIONS, HealthServer, create_server
from worker.metrics import Metrics
from worker.readiness import Readiness

SLOW = b"POST /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"


@pytest.fixture
def server() -> HealthServer:
    """The pages of a worker that does nothing."""
    return create_server(Readiness(), Metrics())


@pytest.fixture
async def address(server: HealthServer) -> AsyncIterator[str]:
    """Where they are served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await asyncio.wait_for(serving, PATIENCE_SECONDS)


async def test_half_open_connections_keep_no_probe_out(address: str) -> None:
    """A probe is answered in time; the worker keeps no more of them than it can do without."""
    async with connected(address, *[HALF] * (2 * MOST_CONNECTIONS)) as wires, httpx2.AsyncClient() as probe:
        answer = await probe.get(f"{address}/healthz", timeout=5)
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert await wires[0].rest() == b""


async def test_slow_clients_do_not_keep_the_worker_from_stopping(address: str, server: HealthServer) -> None:
    """Half-open, idle and not reading."""
    metrics = GET.replace(b"/healthz", b"/metrics")
    async with connected(address, HALF, SLOW, GET, metrics * 15) as wires:
        assert (await wires[2].response())[0] == 200
        server.should_exit = True
        await asyncio.gather(*(wire.rest() for wire in wires))
