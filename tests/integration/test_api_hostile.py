"""Nothing that a client sends is answered with 500."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import SOURCE, all_contacts, make_operator, make_source
from tests.integration.api_client import MAX_BYTES, all_items, fields_of

NO_JSON = (
    b"", b" ", b"{", b"nope", b"{'name': 'x'}", b'{"name": "x",}', b'{"name": "\xff"}', b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud80"}', b'{"name": "\\udc00\\ud80z"}', b'{"name": "a\nb"}', b'{"name": 01}', b"\xef\xbb\xbf{",
    '{"name": "x"}'.encode("utf-16"), b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}", b"9" * 5000, b'{"name": "x"} x',
    b'{"name": ' + b"9" * 5000 + b"}", b"\0", b'{"a":' * 300 + b"1" + b"}" * 300,
)  # fmt: skip
NO_OBJECT = (b"null", b"true", b"1", b'"x"', b"[]", b"[{}]", b"1e300")
WRITES = (
    ("POST", "/operators"), ("PATCH", "/operators/1"), ("POST", "/sources"), ("PATCH", "/sources/1"),
    ("PUT", "/sources/1/operators"), ("POST", "/contacts"), ("POST", f"/contacts/{UUID(int=1)}/assign"),
    ("POST", f"/contacts/{UUID(int=1)}/close"), ("POST", f"/parked/{UUID(int=1)}/replay"), ("POST", "/parked/replay"),
)  # fmt: skip
WITHOUT_BODY = ("/close", "1/replay")


async def test_what_is_no_json_is_400(admin: httpx2.AsyncClient) -> None:
    """Wherever a body is read, whatever Content-Type says."""
    for method, path in WRITES:
        for body in NO_JSON[path.endswith(WITHOUT_BODY) :]:
            for content_type in ("application/json", "text/plain"):
                answer = await admin.request(method, path, content=body, headers={"Content-Type": content_type})
                assert answer.status_code == 400, (method, path, body[:60], answer.text)


async def test_json_that_is_no_object_is_422(admin: httpx2.AsyncClient) -> None:
    """And the body is named."""
    for method, path in WRITES:
        for body in NO_OBJECT:
            assert fields_of(await admin.request(method, path, content=body)) == ["body"], (method, path, body)


async def test_numbers_that_no_json_reader_takes_are_400(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """In a payload, which may hold anything else."""
    await make_source(engine, {})
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[[-1e999]]", b"9" * 5000):
        body = b'{"source": "%s", "lead": {"external_id": "x"}, "message_id": "m", "payload": %s}'
        answer = await admin.post("/contacts", content=body % (SOURCE.encode(), number))
        assert answer.status_code == 400, number[:20]
    assert await all_contacts(engine) == []


async def test_numbers_of_any_size_and_kind_are_422_where_they_do_not_fit(admin: httpx2.AsyncClient) -> None:
    """Never an overflow in a driver; a number without a fraction is whole, however it is written."""
    too_large = (b"1e300", b"1e400", b"9223372036854775808", b"-9223372036854775809", b"9" * 4000)
    for number in (b"NaN", b"-1", b"2.5", *too_large):
        body = b'{"name": "x", "max_active_contacts": %s}' % number
        assert fields_of(await admin.post("/operators", content=body)) == ["max_active_contacts"], number[:20]
    for number in (b"100", b"100.0", b"1e2"):
        body = b'{"name": "x", "max_active_contacts": %s}' % number
        assert (await admin.post("/operators", content=body)).json()["max_active_contacts"] == 100


async def test_a_body_over_the_limit_is_413(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Whether its length is announced, hidden or a lie; at the limit it is taken."""
    await make_source(engine, {})
    start = b'{"source": "%s", "lead": {"external_id": "x"}, "message_id": "m", "payload": "' % SOURCE.encode()
    body = start + b"x" * (MAX_BYTES - len(start) - 2) + b'"}'
    assert (await admin.post("/contacts", content=body + b" ")).status_code == 413
    assert (await admin.post("/contacts", content=in_chunks(body + b" "))).status_code == 413
    lying = await admin.post("/operators", content=b"{}", headers={"Content-Length": "9" * 400})
    assert lying.status_code == 413
    assert (await admin.post("/contacts", content=in_chunks(body))).status_code == 201
    assert len(await all_contacts(engine)) == 1


async def test_many_errors_are_cut_short(admin: httpx2.AsyncClient) -> None:
    """An answer stays small, however much is wrong."""
    rows = [{"operator_id": 0, "weight": -1, "x" * 3000: 1} for _ in range(15)]
    await admin.post("/sources", json={"code": "a"})
    answer = await admin.put("/sources/1/operators", json={"operators": rows})
    assert len(fields_of(answer)) == 20
    assert len(answer.content) < 10_000


async def test_headers_may_hold_anything(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A length that is no number, a trace that is no trace, a key of strange bytes."""
    await make_source(engine, {})
    body = {"source": SOURCE, "lead": {"external_id": "x"}}
    for number, (name, value) in enumerate((
        (b"traceparent", b"\xff\x00"), (b"traceparent", b"x" * 5000), (b"Idempotency-Key", b"a\x00b"),
        (b"Idempotency-Key", b""), (b"Idempotency-Key", b"\xff"), (b"If-Match", b"\xff"),
        (b"Content-Type", b"\xff"), (b"Accept", b"text/html"),
    )):  # fmt: skip
        sent = body if name == b"Idempotency-Key" else body | {"message_id": f"m{number}"}
        answer = await admin.post("/contacts", json=sent, headers={name: value})
        assert answer.status_code in (201, 422), (name, value, answer.text)


async def test_words_of_any_script_are_kept(admin: httpx2.AsyncClient) -> None:
    """Markup, quotes, statements, combining characters, the last code point: all are names."""
    names = ["<script>", "'; DROP TABLE operators; --", "%s %(a)s {0}", "Ольга", "e\u0301\u200d🙂", "\U0010ffff\uffff"]
    for name in names:
        assert (await admin.post("/operators", json={"name": name})).json()["name"] == name
    assert [operator["name"] for operator in await all_items(admin, "/operators")] == names
    for value in ("' OR 1=1 --", "%", "_", "\\", "é\U0010ffff"):
        assert (await admin.get("/leads", params={"external_id": value})).json()["items"] == []


async def test_a_duplicate_field_counts_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The last one, as JSON readers do."""
    path = f"/operators/{await make_operator(engine)}"
    answer = await admin.patch(path, content=b'{"name": "first", "name": "last"}')
    assert answer.json()["name"] == "last"


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """The body in pieces, its length not announced."""
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]
