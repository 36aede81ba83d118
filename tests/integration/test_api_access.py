"""Who may do what: every operation without a token, with a wrong one and with each role."""

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.operations import PREFIX
from admin_api.routes import all_operations
from tests.factories import make_operator
from tests.integration.conftest import ORIGIN, TOKENS, ClientOf

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
    ("GET", "/leads"): READ,
    ("GET", "/leads/{id}"): READ,
    ("GET", "/parked"): READ,
    ("GET", "/parked/{id}"): READ,
}
BAD_BODY = b"{"


def test_every_operation_stands_in_this_table() -> None:
    """Nothing is served that this file does not test."""
    served = {(o.method, o.path.removeprefix(PREFIX)) for o in all_operations() if o.path.startswith(PREFIX)}
    assert served == set(CONTRACT)


async def test_without_a_known_token_everything_is_401(client_of: ClientOf) -> None:
    """Before the path's id, the query and the body are looked at."""
    for method, path in CONTRACT:
        target = path.format(id="none") + "?unknown=1"
        for token in (None, "wrong", "", "admin-secre", "admin-secret2", TOKENS["admin"].upper()):
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
    bot, nobody = client_of(TOKENS["bot"]), client_of(None)
    for path in ("/nothing", "/operators/", "/operators/1/2", "/"):
        assert (await bot.get(path)).status_code == 404, path
        assert (await nobody.get(path)).status_code == 401, path
    assert (await nobody.get(f"{ORIGIN}/nothing")).status_code == 404
    for path, methods in (("/operators", "GET, HEAD, POST"), ("/sources/1/operators", "GET, HEAD, PUT")):
        answer = await bot.request("TRACE", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        assert (await nobody.delete(path)).status_code == 401
    assert (await nobody.post(f"{ORIGIN}/healthz")).status_code == 405


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
