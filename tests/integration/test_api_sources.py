"""Sources and weights over HTTP."""

from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.selection.strategies import STRATEGIES
from tests.factories import loads, make_operator, make_source, message, take
from tests.integration.api_client import all_items, fields_of

SHAPE = {"id", "code", "name", "strategy", "sticky", "dedupe_window", "created_at"}
WEIGHT = {"operator_id", "name", "weight", "share", "is_active", "load", "max_active_contacts"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "code"),
    ({"code": ""}, "code"),
    ({"code": "Bot"}, "code"),
    ({"code": "a b"}, "code"),
    ({"code": "a\n"}, "code"),
    ({"code": "ä"}, "code"),
    ({"code": "a" * 65}, "code"),
    ({"code": 1}, "code"),
    ({"code": "a", "name": ""}, "name"),
    ({"code": "a", "name": None}, "name"),
    ({"code": "a", "strategy": "alphabetical"}, "strategy"),
    ({"code": "a", "strategy": None}, "strategy"),
    ({"code": "a", "sticky": "no"}, "sticky"),
    ({"code": "a", "dedupe_window": -1}, "dedupe_window"),
    ({"code": "a", "dedupe_window": 1.5}, "dedupe_window"),
    ({"code": "a", "dedupe_window": "60"}, "dedupe_window"),
    ({"code": "a", "dedupe_window": True}, "dedupe_window"),
    ({"code": "a", "dedupe_window": 2**31}, "dedupe_window"),
    ({"code": "a", "id": 5}, "id"),
]
WRONG_WEIGHTS: list[tuple[object, str]] = [
    (None, "operators"),
    ({}, "operators"),
    ([7], "operators.0"),
    ([{"operator_id": 1}], "operators.0.weight"),
    ([{"operator_id": 1, "weight": 1}, {"operator_id": 99, "weight": 1}], "operators.1.operator_id"),
    ([{"operator_id": 1, "weight": 1}, {"operator_id": 1, "weight": 2}], "operators.1.operator_id"),
    ([{"operator_id": 1, "weight": -1}], "operators.0.weight"),
    ([{"operator_id": 1, "weight": 10_001}], "operators.0.weight"),
    ([{"operator_id": 1, "weight": 1.5}], "operators.0.weight"),
    ([{"operator_id": 1, "weight": True}], "operators.0.weight"),
    ([{"operator_id": "1", "weight": 1}], "operators.0.operator_id"),
    ([{"operator_id": 2**63, "weight": 1}], "operators.0.operator_id"),
    ([{"operator_id": 0, "weight": 1}], "operators.0.operator_id"),
    ([{"operator_id": 1, "weight": 1, "wait": 1}], "operators.0.wait"),
]


async def test_is_made_with_the_contracts_defaults_and_shown(admin: httpx2.AsyncClient) -> None:
    """A code is enough; it is the name too."""
    made = await admin.post("/sources", json={"code": "telegram-bot"})
    source = made.json()
    assert made.status_code == 201
    assert set(source) == SHAPE
    assert (source["code"], source["name"], source["strategy"], source["sticky"]) == (
        "telegram-bot", "telegram-bot", "weighted_random", False,
    )  # fmt: skip
    assert (await admin.get(f"/sources/{source['id']}")).json() == source
    assert (await admin.get("/sources")).json()["items"] == [source]


async def test_a_used_code_is_a_conflict(admin: httpx2.AsyncClient) -> None:
    """409, and the first stays as it was."""
    first = (await admin.post("/sources", json={"code": "bot", "name": "First"})).json()
    assert (await admin.post("/sources", json={"code": "bot", "name": "Second"})).status_code == 409
    assert (await admin.get("/sources")).json()["items"] == [first]


async def test_a_wrong_field_is_named(admin: httpx2.AsyncClient) -> None:
    """422 names the field."""
    for body, field in WRONG:
        assert fields_of(await admin.post("/sources", json=body)) == [field], body


async def test_a_patch_changes_only_what_it_names(admin: httpx2.AsyncClient) -> None:
    """Name, stickiness and strategy by themselves."""
    source = (await admin.post("/sources", json={"code": "bot"})).json()
    path = f"/sources/{source['id']}"
    changes: tuple[dict[str, Any], ...]
    changes = ({}, {"name": "Bot"}, {"sticky": True}, {"strategy": "weighted_random"}, {"dedupe_window": 60})
    for change in changes:
        source |= change
        answer = await admin.patch(path, json=change)
        assert (answer.status_code, answer.json()) == (200, source)


async def test_every_strategy_can_be_chosen_and_changed_while_contacts_come(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """The next contact falls as the new rules say, sticky too; every decision says under which it fell."""
    olga, ivan = await make_operator(engine, "Olga", 100), await make_operator(engine, "Ivan", 100)
    rows = [{"operator_id": operator_id, "weight": 1} for operator_id in (olga, ivan)]
    for number, strategy in enumerate(STRATEGIES):
        made = await admin.post("/sources", json={"code": f"s{number}", "strategy": strategy, "sticky": True})
        assert (made.json()["strategy"], made.json()["sticky"]) == (strategy, True)
    await admin.put("/sources/1/operators", json={"operators": rows})
    for number, strategy in enumerate([*STRATEGIES, *STRATEGIES]):
        sticky = number >= len(STRATEGIES)
        await admin.patch("/sources/1", json={"strategy": strategy, "sticky": sticky})
        await take(engine, [message(f"{number}-{n}", f"lead-{n}", source="s0") for n in range(4)])
        newest = await all_items(admin, "/contacts")
        for contact in newest[:4]:
            [entry] = (await admin.get(f"/contacts/{contact['id']}")).json()["history"]
            assert entry["reason"] == ("sticky" if sticky else strategy)
            assert (entry["decision"]["strategy"], entry["decision"]["sticky"]) == (strategy, sticky)
        if strategy == "least_loaded" and not sticky:
            assert len(set((await loads(engine)).values())) == 1


async def test_a_patch_that_is_wrong_names_the_field(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The code cannot be changed, null is no value."""
    path = f"/sources/{await make_source(engine, {})}"
    changes: list[dict[str, Any]] = [{"code": "other"}, {"name": None}, {"sticky": 1}, {"strategy": "none"}]
    for change in changes:
        assert fields_of(await admin.patch(path, json=change)) == list(change)


async def test_goes_while_no_contact_came_through_it(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """204 before the first contact, 409 after it."""
    operator_id = await make_operator(engine)
    empty = await make_source(engine, {operator_id: 1}, "empty")
    used = await make_source(engine, {operator_id: 1})
    await take(engine, [message("m1")])
    assert (await admin.delete(f"/sources/{empty}")).status_code == 204
    assert (await admin.get(f"/sources/{empty}")).status_code == 404
    assert (await admin.delete(f"/sources/{used}")).status_code == 409
    assert (await admin.get(f"/sources/{used}")).status_code == 200


async def test_weights_are_replaced_and_shown_with_load_and_share(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """The share is the weight among the active; the inactive and weight 0 have none."""
    olga, ivan = await make_operator(engine, "Olga", 4), await make_operator(engine, "Ivan")
    away, never = await make_operator(engine, "Away", active=False), await make_operator(engine, "Never")
    source_id = await make_source(engine, {})
    rows = [(never, 0), (away, 500), (ivan, 10), (olga, 30)]
    body = {"operators": [{"operator_id": operator_id, "weight": weight} for operator_id, weight in rows]}
    answer = await admin.put(f"/sources/{source_id}/operators", json=body)
    assert answer.status_code == 200
    assert answer.json() == (await admin.get(f"/sources/{source_id}/operators")).json()
    shown = answer.json()["operators"]
    assert all(set(row) == WEIGHT for row in shown)
    assert [(row["name"], row["weight"], row["share"], row["max_active_contacts"]) for row in shown] == [
        ("Olga", 30, 0.75, 4), ("Ivan", 10, 0.25, 1000), ("Away", 500, 0.0, 1000), ("Never", 0, 0.0, 1000),
    ]  # fmt: skip


async def test_replacing_takes_away_who_is_not_named(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """What is put is all there is, also when it is nothing."""
    olga, ivan = await make_operator(engine, "Olga"), await make_operator(engine, "Ivan")
    path = f"/sources/{await make_source(engine, {olga: 1})}/operators"
    put = await admin.put(path, json={"operators": [{"operator_id": ivan, "weight": 2}]})
    assert [row["operator_id"] for row in put.json()["operators"]] == [ivan]
    assert (await admin.put(path, json={"operators": []})).json() == {"operators": []}


async def test_a_wrong_weight_is_named_and_nothing_changes(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """422 with the place in the list; the weights stay as they were."""
    assert await make_operator(engine) == 1
    path = f"/sources/{await make_source(engine, {1: 5})}/operators"
    for rows, field in WRONG_WEIGHTS:
        assert fields_of(await admin.put(path, json={"operators": rows})) == [field], rows
    assert [row["weight"] for row in (await admin.get(path)).json()["operators"]] == [5]


async def test_weights_at_their_ends_are_taken(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """0 and 10000 are both weights."""
    operator_id = await make_operator(engine)
    path = f"/sources/{await make_source(engine, {})}/operators"
    for weight in (0, 10_000):
        answer = await admin.put(path, json={"operators": [{"operator_id": operator_id, "weight": weight}]})
        assert [row["weight"] for row in answer.json()["operators"]] == [weight]
