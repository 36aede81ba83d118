"""Concurrent edits of one object: who did not see the newest version is told so, and undoes nothing."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from structlog.testing import capture_logs

from admin_api.http.app_context import Context
from admin_api.http.assign_after_change import change_and_assign
from admin_api.http.auth import parse_tokens
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from distribution.store.engine import create_engine, dispose
from tests.factories import all_contacts, make_operator, make_source, message, messages, take
from tests.integration.api_client import MAX_BYTES, all_items

Edits = Mapping[str, tuple[str, str, Mapping[str, Any]]]


def seen(answer: httpx2.Response) -> dict[str, str]:
    """The header that says which version this answer showed."""
    return {"If-Match": answer.headers["etag"]}


@pytest.fixture
async def edits(engine: AsyncEngine) -> Edits:
    """For each kind of object: where it is, and a change of it (method, path, body)."""
    operator_id = await make_operator(engine)
    source_id = await make_source(engine, {operator_id: 1})
    await take(engine, [message("m")])
    [contact] = await all_contacts(engine)
    weights = {"operators": [{"operator_id": operator_id, "weight": 7}]}
    return {
        f"/operators/{operator_id}": ("PATCH", "", {"max_active_contacts": 7}),
        f"/sources/{source_id}": ("PATCH", "", {"strategy": "least_loaded", "sticky": True}),
        f"/sources/{source_id}/operators": ("PUT", "", weights),
        f"/contacts/{contact.id}": ("POST", "/close", {"reason": "done"}),
    }


async def test_a_stale_edit_is_412_and_changes_nothing(admin: httpx2.AsyncClient, edits: Edits) -> None:
    """For every kind of object, with the reason: changed, a weak ETag, or none at all. An empty header is none."""
    for path, (method, rest, body) in edits.items():
        first = await admin.get(path)
        wrong = f'"{"0" * 24}"'
        weak = f"W/{first.headers['etag']}"
        bare = first.headers["etag"].strip('"')
        changed, is_weak, malformed = "changed meanwhile", "without W/", "double quotes"
        reasons = {wrong: changed, '""': changed, '"*"': changed, weak: is_weak, f"{wrong}, {weak}": is_weak}
        for value, why in (reasons | {bare: malformed, "nonsense": malformed, f"{wrong}, *": malformed}).items():
            stale = await admin.request(method, path + rest, json=body, headers={"If-Match": value})
            assert (stale.status_code, stale.json()["type"][-6:]) == (412, ":stale"), (path, value)
            assert why in stale.json()["detail"]
        assert (await admin.get(path)).headers["etag"] == first.headers["etag"]
        done = await admin.request(method, path + rest, json=body, headers=seen(first))
        assert done.status_code == 200
        assert done.headers["etag"] == (await admin.get(path)).headers["etag"] != first.headers["etag"]
        assert (await admin.request(method, path + rest, json=body, headers=seen(first))).status_code == 412
        many = {"If-Match": f'"other", {done.headers["etag"]},W/"x"'}
        assert (await admin.request(method, path + rest, json=body, headers=many)).status_code == 200
        assert (await admin.request(method, path + rest, json=body, headers={"If-Match": " * "})).status_code == 200
        assert (await admin.request(method, path + rest, json=body, headers={"If-Match": ""})).status_code == 200
    assert len(await all_items(admin, "/audit")) == len(edits)


async def test_of_two_edits_at_once_one_wins(admin: httpx2.AsyncClient, edits: Edits) -> None:
    """Both saw the same version; exactly one is 200, the other 412."""
    for path, (method, rest, _) in edits.items():
        first = await admin.get(path)
        bodies: list[dict[str, Any]] = [{"name": "A"}, {"name": "B"}]
        if method == "PUT":
            bodies = [{"operators": [{"operator_id": 1, "weight": weight}]} for weight in (2, 3)]
        if method == "POST":
            bodies = [{"reason": "A"}, {"reason": "B"}]
        requests = (admin.request(method, path + rest, json=body, headers=seen(first)) for body in bodies)
        answers = await asyncio.gather(*requests)
        assert sorted(answer.status_code for answer in answers) == [200, 412], path
    assert len(await all_items(admin, "/audit")) == len(edits)


async def test_work_going_on_makes_no_edit_stale(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Contacts that come and go change loads, and no tag of an operator, a source or its weights."""
    operator_id = await make_operator(engine)
    source_id = await make_source(engine, {operator_id: 1})
    paths = (f"/operators/{operator_id}", f"/sources/{source_id}", f"/sources/{source_id}/operators")
    before = [(await admin.get(path)).headers["etag"] for path in paths]
    await take(engine, messages(("m0", "m1")))
    assert (await admin.get(paths[0])).json()["load"] == 2
    assert [(await admin.get(path)).headers["etag"] for path in paths] == before
    assert len(set(before)) == len(before)


async def test_a_contact_that_moved_is_another_version(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Who would give a contact to somebody else did not see that it has been given already."""
    olga, ivan = await make_operator(engine, "Olga"), await make_operator(engine, "Ivan")
    await make_source(engine, {})
    body = {"source": "telegram-bot", "lead": {"external_id": "x"}, "message_id": "m"}
    made = await admin.post("/contacts", json=body)
    path = f"/contacts/{made.json()['id']}/assign"
    given = await admin.post(path, json={"operator_id": olga}, headers=seen(made))
    assert given.status_code == 200
    assert (await admin.post(path, json={"operator_id": ivan}, headers=seen(made))).status_code == 412
    assert (await admin.post(path, json={"operator_id": ivan}, headers=seen(given))).status_code == 200
    assert (await admin.post("/contacts", json=body)).headers["etag"] != made.headers["etag"]


async def test_removal_heeds_the_version_too(admin: httpx2.AsyncClient) -> None:
    """412 keeps what somebody has changed meanwhile; what is not there is 404 whatever was seen."""
    for path, body in (("/operators", {"name": "Olga"}), ("/sources", {"code": "bot"})):
        made = await admin.post(path, json=body)
        one = f"{path}/{made.json()['id']}"
        changed = await admin.patch(one, json={"name": "Other"})
        assert (await admin.delete(one, headers=seen(made))).status_code == 412
        assert (await admin.delete(one, headers=seen(changed))).status_code == 204
        assert (await admin.delete(one, headers={"If-Match": "*"})).status_code == 404
    missing = await admin.post(f"/contacts/{UUID(int=1)}/close", headers={"If-Match": '"x"'})
    assert missing.status_code == 404


async def test_a_change_stands_though_waiting_contacts_cannot_be_assigned_yet(tmp_path: Path) -> None:
    """What is committed is not reported as a failure; the log says which sources still have contacts to assign."""
    without_tables = create_engine(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    context = Context(Database(without_tables, Random(1)), parse_tokens(""), Decoder(MAX_BYTES))

    async def change(_: AsyncConnection) -> frozenset[int]:
        return frozenset({7})

    with capture_logs() as logged:
        await change_and_assign(context, change)
    assert [(line["event"], line["sources"]) for line in logged] == [("waiting_contacts_not_assigned", {7})]
    await dispose(without_tables)
