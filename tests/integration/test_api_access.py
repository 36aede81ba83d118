"""Who may do what: every operation without a token, with a wrong one and with each role."""

from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.http.operation import PREFIX
from admin_api.routes import all_operations
from tests.factories import SOURCE, all_contacts, all_parked, make_operator, make_source, message, take
from tests.integration.api_client import ORIGIN, TOKENS, ClientOf

READ, SUBMIT, CHANGE = {"viewer", "admin"}, {"bot", "admin"}, {"admin"}
CONTRACT = {
    ("POST", "/operators"): CHANGE,
    ("GET", "/operators"): READ,
    ("GET", "/operators/{id}"): READ,
    ("PATCH", "/operators/{id}"): CHANGE,
    ("DELETE", "/operators/{id}"): CHANGE,
    ("POST", "/sources"): CHANGE,
    ("GET", "/sources"): READ,
    ("GET", "/sources/{id}"): READ,
    ("PATCH", "/sources/{id}"): CHANGE,
    ("DELETE", "/sources/{id}"): CHANGE,
    ("PUT", "/sources/{id}/operators"): CHANGE,
    ("GET", "/sources/{id}/operators"): READ,
    ("POST", "/contacts"): SUBMIT,
    ("GET", "/contacts"): READ,
    ("GET", "/contacts/{id}"): READ,
    ("POST", "/contacts/{id}/close"): SUBMIT,
    ("POST", "/contacts/{id}/assign"): CHANGE,
    ("GET", "/leads"): READ,
    ("GET", "/leads/{id}"): READ,
    ("GET", "/stats"): READ,
    ("GET", "/audit"): READ,
    ("GET", "/parked"): READ,
    ("GET", "/parked/{id}"): READ,
    ("POST", "/parked/{id}/replay"): CHANGE,
    ("POST", "/parked/replay"): CHANGE,
    ("DELETE", "/parked/{id}"): CHANGE,
}
BAD_BODY = b"{"
NEW_CONTACT = {"source": SOURCE, "lead": {"external_id": "tg:1"}}


def test_every_operation_stands_in_this_table() -> None:
    """Nothing is served that this file does not test."""
    served = {(o.method, o.path.removeprefix(PREFIX)) for o in all_operations() if o.path.startswith(PREFIX)}
    assert served == set(CONTRACT)


async def test_without_a_known_token_everything_is_401(client_of: ClientOf) -> None:
    """Before the path's id, the query and the body are looked at."""
    for method, path in CONTRACT:
        target = path.format(id="none") + "?unknown=1"
        for token in (None, "wrong", "", TOKENS["admin"][:-1], TOKENS["admin"] + "2", TOKENS["admin"].upper()):
            answer = await client_of(token).request(method, target, content=BAD_BODY)
            assert answer.status_code == 401, (method, path, token)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_role_without_the_right_is_403(client_of: ClientOf) -> None:
    """Before the path's id, the query and the body are looked at; with the right they are."""
    for (method, path), roles in CONTRACT.items():
        for role, token in TOKENS.items():
            answer = await client_of(token).request(method, path.format(id="none") + "?unknown=1", content=BAD_BODY)
            if role in roles:
                assert answer.status_code in (404, 422), (method, path, role)
            else:
                assert answer.status_code == 403, (method, path, role)


async def test_each_role_gets_exactly_what_the_contract_says(client_of: ClientOf, engine: AsyncEngine) -> None:
    """Every operation asked well, by every role: the contract's good answer, or 403 and nothing happens."""
    requests = await good_requests(engine)
    assert [(method, path) for method, path, *_ in requests] == list(CONTRACT)
    for method, path, key, body, status in requests:
        for role, token in sorted(TOKENS.items(), reverse=True):
            sent = body | {"message_id": role} if body is NEW_CONTACT else body
            answer = await client_of(token).request(method, path.format(id=key), json=sent)
            expected = status if role in CONTRACT[method, path] else 403
            assert answer.status_code == expected, (method, path, role, answer.text)


async def good_requests(engine: AsyncEngine) -> list[tuple[str, str, object, Any, int]]:
    """For every operation of the table: method, path, an id, a body, the status of success."""
    await take(engine, [message(f"p{n}", source="fax") for n in range(3)])
    operator, unused = await make_operator(engine, "Olga", 5), await make_operator(engine, "Unused")
    source, empty = await make_source(engine, {operator: 1}), await make_source(engine, {}, "empty")
    await take(engine, [message("m")])
    [contact], (shown, replayed, dropped) = await all_contacts(engine), await all_parked(engine)
    weights = {"operators": [{"operator_id": operator, "weight": 2}]}
    known: dict[tuple[str, str], tuple[object, Any, int]] = {
        ("POST", "/operators"): ("", {"name": "New"}, 201),
        ("PATCH", "/operators/{id}"): (operator, {"name": "Olga P."}, 200),
        ("DELETE", "/operators/{id}"): (unused, None, 204),
        ("POST", "/sources"): ("", {"code": "new"}, 201),
        ("PATCH", "/sources/{id}"): (source, {"sticky": True}, 200),
        ("DELETE", "/sources/{id}"): (empty, None, 204),
        ("PUT", "/sources/{id}/operators"): (source, weights, 200),
        ("POST", "/contacts"): ("", NEW_CONTACT, 201),
        ("POST", "/contacts/{id}/close"): ((await make_contact(engine, "c")).id, {}, 200),
        ("POST", "/contacts/{id}/assign"): (contact.id, {"operator_id": operator}, 200),
        ("POST", "/parked/{id}/replay"): (replayed.id, None, 200),
        ("POST", "/parked/replay"): ("", {"code": "unknown_contact"}, 200),
        ("DELETE", "/parked/{id}"): (dropped.id, None, 204),
    }
    ids = {"operators": operator, "sources": source, "contacts": contact.id, "leads": contact.lead_id}
    found = []
    for method, path in CONTRACT:
        key, body, status = known.get((method, path), (ids.get(path.split("/")[1], shown.id), None, 200))
        found.append((method, path, key, body, status))
    return found


async def make_contact(engine: AsyncEngine, key: str) -> Any:
    """A contact of this key."""
    await take(engine, [message(key)])
    return (await all_contacts(engine))[-1]


async def test_a_role_with_the_right_gets_through(client_of: ClientOf, engine: AsyncEngine) -> None:
    """A viewer reads what an admin made; the scheme may be written in any case."""
    operator_id = await make_operator(engine)
    assert (await client_of(TOKENS["viewer"]).get(f"/operators/{operator_id}")).status_code == 200
    lower = await client_of(None).get("/operators", headers={"Authorization": f"bearer {TOKENS['viewer']}"})
    assert lower.status_code == 200


async def test_another_way_to_send_a_token_is_no_way(client_of: ClientOf) -> None:
    """Another scheme, two headers, bytes that are no ASCII: 401."""
    good = TOKENS["admin"].encode()
    for headers in (
        [(b"Authorization", b"Basic " + good)],
        [(b"Authorization", good)],
        [(b"Authorization", b"Bearer")],
        [(b"Authorization", b"Bearer \xff\xfe")],
        [(b"Authorization", b"Bearer " + good), (b"Authorization", b"Bearer " + good)],
    ):
        assert (await client_of(None).get("/operators", headers=headers)).status_code == 401, headers
    assert (await client_of(None).get(f"/operators?token={TOKENS['admin']}")).status_code == 401


async def test_unknown_paths_and_methods_are_told_to_who_may_ask(client_of: ClientOf) -> None:
    """404, and 405 with what the path takes; below the prefix only with a token."""
    bot, anonymous = client_of(TOKENS["bot"]), client_of(None)
    for path in ("/nothing", "/operators/", "/operators/1/2", "/"):
        assert (await bot.get(path)).status_code == 404, path
        assert (await anonymous.get(path)).status_code == 401, path
    assert (await anonymous.get(f"{ORIGIN}/nothing")).status_code == 404
    for path, methods in (
        ("/operators", "GET, HEAD, POST"),
        ("/sources/1/operators", "GET, HEAD, PUT"),
        ("/parked/replay", "POST"),
    ):
        answer = await bot.request("TRACE", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        assert (await anonymous.delete(path)).status_code == 401
    assert (await anonymous.post(f"{ORIGIN}/healthz")).status_code == 405


async def test_health_is_open_and_metrics_are_for_readers(client_of: ClientOf) -> None:
    """A bot reads nothing, the metrics neither."""
    for path in ("/healthz", "/readyz"):
        assert (await client_of(None).get(f"{ORIGIN}{path}")).status_code == 200
    for token, status in ((None, 401), ("wrong", 401), (TOKENS["bot"], 403), (TOKENS["viewer"], 200)):
        assert (await client_of(token).get(f"{ORIGIN}/metrics")).status_code == status


async def test_head_answers_as_get_does(admin: httpx2.AsyncClient) -> None:
    """For whoever only wants to know whether it is there."""
    assert (await admin.head("/operators")).status_code == 200
    assert (await admin.head("/operators/1")).status_code == 404
