"""A worker's own pages, as an operator of the system reads them."""

from collections.abc import Callable

import httpx2

from tests.clients import PATIENCE_SECONDS
from tests.waiting import until


class Pages:
    """Readiness and metrics of the worker at an address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def problems(self) -> dict[str, str]:
        """What keeps it from being ready."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = (await http.get(f"{self._address}/readyz")).json()
        found: dict[str, str] = answer.get("problems", {})
        return found

    async def details(self) -> dict[str, str]:
        """What a person should look at."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = (await http.get(f"{self._address}/readyz")).json()
        found: dict[str, str] = answer.get("details", {})
        return found

    async def metric(self, name: str) -> float:
        """One value."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{self._address}/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])

    async def connects(self) -> tuple[float, float]:
        """How often each of the two connections was made."""
        consumer = await self.metric('contacts_broker_connects_total{connection="consumer"}')
        return consumer, await self.metric('contacts_broker_connects_total{connection="publisher"}')

    async def until(self, right: Callable[[dict[str, str]], bool]) -> None:
        """Wait until the problems are such."""

        async def are_right() -> bool:
            return right(await self.problems())

        await until(are_right, PATIENCE_SECONDS)
