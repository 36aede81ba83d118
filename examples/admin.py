"""An admin: creates operators, sources and weights over HTTP, and reads leads, contacts and parked messages."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2

from examples.api_types import Contact, Lead, Operator, Parked, Source, Weight
from examples.exact_json import loads

PAGE = 200
Filter = str | int


class ApiError(Exception):
    """The API refused a request; the text is its own `detail`, with the invalid fields."""

    def __init__(self, status: int, title: str, detail: str, errors: list[dict[str, str]]) -> None:
        fields = "; ".join(f"{error.get('field')}: {error.get('message')}" for error in errors)
        super().__init__(f"{status} {title}: {detail}" + (f" ({fields})" if fields else ""))
        self.status = status
        self.detail = detail
        self.errors = errors


class Admin:
    """The API's admin role over one HTTP client."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def create_operator(self, name: str, max_active_contacts: int) -> Operator:
        """Create an operator."""
        body = {"name": name, "is_active": True, "max_active_contacts": max_active_contacts}
        return cast("Operator", await self._call("POST", "/operators", body))

    async def create_source(self, code: str, name: str) -> Source:
        """Create a source."""
        return cast("Source", await self._call("POST", "/sources", {"code": code, "name": name}))

    async def set_weights(self, source_id: int, weights: Mapping[int, int]) -> None:
        """Replace the weights of a source: operator id to weight."""
        rows = [{"operator_id": operator_id, "weight": weight} for operator_id, weight in weights.items()]
        await self._call("PUT", f"/sources/{source_id}/operators", {"operators": rows})

    async def weights(self, source_id: int) -> list[Weight]:
        """The weights of a source, with load and share."""
        response = await self._call("GET", f"/sources/{source_id}/operators")
        return cast("list[Weight]", response["operators"])

    async def operator(self, operator_id: int) -> Operator:
        """One operator, with its load."""
        return cast("Operator", await self._call("GET", f"/operators/{operator_id}"))

    async def operators(self) -> list[Operator]:
        """All operators."""
        return cast("list[Operator]", await self._all("/operators", {}))

    async def sources(self, **filters: Filter) -> list[Source]:
        """All sources."""
        return cast("list[Source]", await self._all("/sources", filters))

    async def leads(self, **filters: Filter) -> list[Lead]:
        """Leads with their newest contacts."""
        return cast("list[Lead]", await self._all("/leads", filters))

    async def contacts(self, **filters: Filter) -> list[Contact]:
        """Contacts, newest first."""
        return cast("list[Contact]", await self._all("/contacts", filters))

    async def parked(self, **filters: Filter) -> list[Parked]:
        """Parked messages."""
        return cast("list[Parked]", await self._all("/parked", filters))

    async def _all(self, path: str, filters: Mapping[str, Filter]) -> list[Any]:
        return [item async for item in self._pages(path, filters)]

    async def _pages(self, path: str, filters: Mapping[str, Filter]) -> AsyncIterator[Any]:
        cursor: str | None = None
        while True:
            params: dict[str, Filter] = {**filters, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = await self._call("GET", path, params=params)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _call(
        self, method: str, path: str, body: object = None, params: Mapping[str, Filter] | None = None
    ) -> dict[str, Any]:
        response = await self._client.request(method, path.removeprefix("/"), json=body, params=params)
        if response.is_error:
            raise _error(response)
        return cast("dict[str, Any]", loads(response.text))


@asynccontextmanager
async def connect_admin(api_url: str, token: str) -> AsyncIterator[Admin]:
    """An admin of the API at this address, such as http://127.0.0.1:8000."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=f"{api_url}/api/v1/", headers=headers, timeout=30) as client:
        yield Admin(client)


def _error(response: httpx2.Response) -> ApiError:
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
        return ApiError(
            response.status_code, problem.get("title", ""), problem.get("detail", ""), problem.get("errors", [])
        )
    return ApiError(response.status_code, response.reason_phrase, response.text[:200], [])
