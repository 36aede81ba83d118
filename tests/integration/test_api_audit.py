"""The audit tells everything that a change did, and of each object only what was done to that object."""

from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import make_operator, make_source
from tests.integration.api_client import all_items

Row = tuple[str, Any, Any]


async def audit_of(admin: httpx2.AsyncClient, kind: str, id_: int) -> list[Row]:
    """The rows of one object, the oldest first: what was done, the state before and after."""
    rows = await all_items(admin, "/audit", object_kind=kind, object_id=str(id_))
    return [(row["action"], row["before"], row["after"]) for row in reversed(rows)]


async def test_a_deleted_operator_takes_its_weights_along(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Its own row names them all, and each source that lost one has a row that says to whom it belonged."""
    olga, ivan = await make_operator(engine, "Olga"), await make_operator(engine, "Ivan")
    web, fax = [await make_source(engine, {olga: 3, ivan: 5}, code) for code in ("web", "fax")]
    assert (await admin.delete(f"/operators/{olga}")).status_code == 204
    lost = [{"source_id": source_id, "weight": 3} for source_id in (web, fax)]
    operator = {"name": "Olga", "is_active": True, "max_active_contacts": 1000, "weights": lost}
    assert await audit_of(admin, "operator", olga) == [("operator.removed", operator, None)]
    removed = ("source.weight_removed", {"operator_id": olga, "weight": 3}, None)
    assert [await audit_of(admin, "source", source_id) for source_id in (web, fax)] == [[removed], [removed]]


async def test_a_deleted_source_takes_its_weights_along(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Its row names the operators that had them."""
    olga = await make_operator(engine, "Olga")
    web = await make_source(engine, {olga: 3}, "web")
    assert (await admin.delete(f"/sources/{web}")).status_code == 204
    [(action, before, after)] = await audit_of(admin, "source", web)
    assert (action, after) == ("source.removed", None)
    assert before["operators"] == [{"operator_id": olga, "weight": 3}]


async def test_a_new_source_has_no_past(admin: httpx2.AsyncClient) -> None:
    """The id of a deleted one is not given out again: its audit begins with its own making."""
    deleted = []
    for code in ("web", "fax"):
        made = (await admin.post("/sources", json={"code": code})).json()
        assert made["id"] not in deleted
        assert [action for action, _, _ in await audit_of(admin, "source", made["id"])] == ["source.made"]
        assert (await admin.delete(f"/sources/{made['id']}")).status_code == 204
        deleted.append(made["id"])
