"""A worker's own pages, as an operator of the system reads them."""

from collections.abc import Callable

import httpx2

from tests.clients import PATIENCE_SECONDS
from tests.polling import until


class HealthPages:
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

    async def ready_and_details(self) -> tuple[dict[str, str], dict[str, str]]:
        """What keeps it from being ready, and what a person should look at, at one moment."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = (await http.get(f"{self._address}/readyz")).json()
        return answer.get("problems", {}), answer.get("details", {})

    async def metric(self, name: str) -> float:
        """One value."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{self._address}/metrics")).text
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(values[0])

    async def published(self, result: str) -> float:
        """How many publications had a result."""
        try:
            return await self.metric(f'contacts_published_total{{result="{result}"}}')
        except LookupError:
            return 0.0

    async def connects_of(self, name: str) -> float:
        """How often a connection was made."""
        return await self.metric(f'contacts_broker_connects_total{{connection="{name}"}}')

    async def connects(self) -> tuple[float, float]:
        """How often each of the two connections was made."""
        return await self.connects_of("consumer"), await self.connects_of("publisher")

    async def until(self, right: Callable[[dict[str, str]], bool]) -> None:
        """Wait until the problems are such."""

        async def are_right() -> bool:
            return right(await self.problems())

        await until(are_right, PATIENCE_SECONDS)
