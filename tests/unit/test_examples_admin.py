"""The admin follows pages to their end, and says what the API said was wrong."""

import json

import httpx2
import pytest

from examples.admin import Admin, ApiError

PROBLEM = "application/problem+json"


def admin_of(handler: object) -> Admin:
    """An admin whose requests are answered by a function."""
    transport = httpx2.MockTransport(handler)  # type: ignore[arg-type]  # either kind of function
    return Admin(httpx2.AsyncClient(base_url="http://api/api/v1/", transport=transport))


async def test_pages_are_followed_until_the_cursor_is_null() -> None:
    """The filters go with every page; the cursor of one page asks for the next."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        last = "cursor" in request.url.params
        return httpx2.Response(200, json={"items": [{"id": str(len(asked))}], "next_cursor": None if last else "c2"})

    found = await admin_of(answer).contacts(source="telegram-bot")

    assert [item["id"] for item in found] == ["1", "2"]
    assert asked == [
        "http://api/api/v1/contacts?source=telegram-bot&limit=200",
        "http://api/api/v1/contacts?source=telegram-bot&limit=200&cursor=c2",
    ]


async def test_weights_are_sent_as_the_contract_says() -> None:
    """A weight of 0 is sent like any other."""
    sent: list[object] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append((request.method, request.url.path, json.loads(request.content)))
        return httpx2.Response(200, json={"operators": []})

    await admin_of(answer).set_weights(3, {1: 30, 2: 0})

    body = {"operators": [{"operator_id": 1, "weight": 30}, {"operator_id": 2, "weight": 0}]}
    assert sent == [("PUT", "/api/v1/sources/3/operators", body)]


async def test_a_problem_becomes_an_error_with_its_detail_and_fields() -> None:
    """Whoever reads the error knows which field to mend."""
    problem = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "The body is not valid.",
        "errors": [{"field": "name", "message": "must not be empty"}],
    }

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(422, content=json.dumps(problem), headers={"content-type": PROBLEM})

    with pytest.raises(ApiError, match=r"422 .*The body is not valid\. \(name: must not be empty\)") as caught:
        await admin_of(answer).create_operator("", 1)
    assert caught.value.status == 422


async def test_an_error_that_is_no_problem_document_is_shown_as_it_came() -> None:
    """A proxy in between may answer with plain text."""
    with pytest.raises(ApiError, match="502 Bad Gateway: upstream is away"):
        await admin_of(lambda _: httpx2.Response(502, text="upstream is away")).operator(1)
