"""An admin beside the workers: submits and closes over HTTP and changes limits and weights, all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx2

from devservices.app_process import running_app

TOKEN = "chaos-admin-chaos"  # noqa: S105 - of an API that lives as long as the run
PAUSE_SECONDS = 0.03


@dataclass
class AdminClient:
    """An admin's requests over HTTP. `accepted`: keys with a 200 or 201 response; `refused`: unexpected responses."""

    http: httpx2.AsyncClient
    sources: list[str]
    random: Random
    accepted: set[tuple[str, str]] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _number: int = 0

    async def work(self) -> None:
        """Write for ever. A 503 is expected; any other 5xx, or no response, is a finding."""
        while True:
            for act in (self.submit, self.close, self.change_limit):
                try:
                    self._check(await act())
                except httpx2.HTTPError as error:
                    self.refused.append(f"the API did not answer: {error!r}")
            await asyncio.sleep(PAUSE_SECONDS)  # the rate at which a person's scripts would write

    async def submit(self) -> httpx2.Response:
        """Submit a contact; every tenth key is submitted twice."""
        self._number += 1
        key = (self.random.choice(self.sources), f"http-{self._number - (self._number % 10 == 0)}")
        self.asked.add(key)
        lead = {"external_id": f"lead-{self.random.randrange(5_000)}"}
        response = await self.http.post("/contacts", json={"source": key[0], "message_id": key[1], "lead": lead})
        if response.is_success:
            self.accepted.add(key)
        return response

    async def close(self) -> httpx2.Response:
        """Close a contact whose event was heard."""
        if not self.heard:
            return httpx2.Response(200)
        contact_id = self.heard.pop(self.random.randrange(len(self.heard)))
        return await self.http.post(f"/contacts/{contact_id}/close", json={})

    async def change_limit(self) -> httpx2.Response:
        """Raise an operator's limit, never lower it: a load over a lowered limit would be legitimate."""
        limit = {"max_active_contacts": self.random.randint(300, 320)}
        operator_id = self.random.randint(1, 20)
        before = (await self.http.get(f"/operators/{operator_id}")).json().get("max_active_contacts", 0)
        if limit["max_active_contacts"] <= before:
            return httpx2.Response(200)
        return await self.http.patch(f"/operators/{operator_id}", json=limit)

    def _check(self, response: httpx2.Response) -> None:
        if response.status_code >= 500 and response.status_code != 503:
            self.refused.append(f"{response.status_code}: {response.text}")


@asynccontextmanager
async def admin_client(
    settings: dict[str, str], code: Path, logs: Path, sources: list[str], random: Random
) -> AsyncIterator[AdminClient]:
    """A real admin API on the same database, and an admin using it."""
    own = {"ADMIN_API_TOKENS": f"admin:{TOKEN}", "PYTHONPATH": str(code)}
    async with (
        running_app("admin_api", settings | own, logs / "admin_api.log", code) as api,
        httpx2.AsyncClient(
            base_url=f"{api.url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        ) as http,
    ):
        yield AdminClient(http, sources, random)
