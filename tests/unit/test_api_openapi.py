"""The document says all that the operations declare, and nothing else."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from admin_api.http.auth import ADMINS, EVERYBODY, READERS
from admin_api.http.cursor import NUMBER_CURSOR, UUID_CURSOR, cursor_of
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation
from admin_api.openapi.document import document
from admin_api.routes import all_operations
from distribution.ids import new_id
from distribution.release import VERSION
from distribution.store.tables import MAX_ID

SHOWN = [operation for operation in all_operations() if not operation.path.startswith("/docs")]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document as it is sent."""
    found: dict[str, Any] = json.loads(json.dumps(document(SHOWN)))
    return found


def each(described: dict[str, Any]) -> list[tuple[Operation, dict[str, Any]]]:
    """Every operation with what the document says of it."""
    return [(operation, described["paths"][operation.path][operation.method.lower()]) for operation in SHOWN]


def test_it_is_openapi_3_1(described: dict[str, Any]) -> None:
    """A validator that knows the standard finds nothing."""
    assert described["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_linters_find_nothing_to_object_to(described: dict[str, Any]) -> None:
    """What the recommended rules of Redocly and Spectral ask for beyond the standard."""
    assert described["servers"] == [{"url": "/", "description": "The server that serves this document."}]
    assert {"version", "description", "contact", "license"} <= described["info"].keys()
    assert described["info"]["version"] == VERSION
    schemes = described["components"]["securitySchemes"]
    for _, found in each(described):
        # Scopes belong to OAuth 2; roles stand in x-roles.
        assert all(
            scopes == [] and name in schemes for choice in found["security"] for name, scopes in choice.items()
        ), found


def test_fields_with_a_default_may_be_left_out_by_generated_clients(described: dict[str, Any]) -> None:
    """openapi-typescript makes a field with `default` a required one: bodies say theirs in words."""
    bodies = {
        found["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for _, found in each(described)
        if "requestBody" in found
    }
    schemas = [described["components"]["schemas"][name.rpartition("/")[2]] for name in bodies]
    fields = [(name, field) for schema in schemas for name, field in schema.get("properties", {}).items()]
    assert [name for name, field in fields if "default" in field] == []
    described_defaults = {name for name, field in fields if "Default: " in field.get("description", "")}
    assert {"is_active", "max_active_contacts", "strategy", "sticky", "force"} <= described_defaults


def test_every_operation_is_there_with_every_status(described: dict[str, Any]) -> None:
    """No more and no less than what is served; every operation once, under an id and a tag that is explained."""
    count = sum(len(methods) for methods in described["paths"].values())
    assert count == len(SHOWN) == len({found["operationId"] for _, found in each(described)})
    explained = {tag["name"] for tag in described["tags"]}
    for operation, found in each(described):
        assert set(found["responses"]) == {str(status) for status in operation.statuses}, operation.path
        assert set(found["tags"]) <= explained
        assert found["summary"]
        assert found["description"]
        assert ("requestBody" in found) == (operation.body is not None)


def test_every_problem_is_problem_json(described: dict[str, Any]) -> None:
    """Whatever is no good answer has the one shape; wrong input also names its fields."""
    for operation, found in each(described):
        for status in operation.statuses - set(operation.answers):
            name = found["responses"][str(status)]["$ref"].rpartition("/")[2]
            [(media_type, content)] = described["components"]["responses"][name]["content"].items()
            assert media_type == "application/problem+json"
            assert content["example"]["status"] == status
            assert content["schema"]["$ref"].endswith("/InvalidInput" if status == 422 else "/Problem")


def test_who_may_is_said_by_role(described: dict[str, Any]) -> None:
    """Below the prefix a token, with the roles that may; metrics with a token or, if so set, without."""
    for operation, found in each(described):
        if operation.path.startswith(PREFIX):
            assert found["security"] == [{"token": []}]
            assert found["x-roles"] == sorted(operation.roles)
            assert f"For the roles: {', '.join(sorted(operation.roles))}." in found["description"]
        elif operation.path == "/metrics":
            assert found["security"] == [{"token": []}, {}]
        else:
            assert found["security"] == []


def test_parameters_have_their_limits(described: dict[str, Any]) -> None:
    """Ids, pages, filters and headers: where they stand, and what they may hold."""
    found = described["paths"][f"{PREFIX}/contacts"]["get"]["parameters"]
    by_name = {parameter["name"]: parameter for parameter in found}
    assert by_name["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert by_name["status"]["schema"] == {"type": "string", "enum": ["waiting", "active", "closed"]}
    assert by_name["created_from"]["schema"] == {"type": "string", "format": "date-time"}
    [key, *rest] = described["paths"][f"{PREFIX}/operators/{{id}}"]["patch"]["parameters"]
    assert key["schema"] == {"type": "integer", "minimum": 1, "maximum": MAX_ID}
    assert [(parameter["name"], parameter["in"]) for parameter in rest] == [
        ("reassign", "query"),
        ("If-Match", "header"),
    ]
    submit = described["paths"][f"{PREFIX}/contacts"]["post"]
    assert [parameter["name"] for parameter in submit["parameters"]] == ["Idempotency-Key", "traceparent"]
    assert set(submit["responses"]["201"]["headers"]) == {"Location", "ETag"}


def test_bodies_have_examples_that_fit(described: dict[str, Any]) -> None:
    """What the page offers to try is what the API takes."""
    for operation, found in each(described):
        if operation.body and (example := found["requestBody"]["content"]["application/json"].get("example")):
            operation.body.model_validate_json(json.dumps(example))


def test_every_shape_is_described_once_and_used(described: dict[str, Any]) -> None:
    """No name of ours with a suffix that means nothing outside, none twice, none for nothing."""
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert used == set(described["components"]["schemas"])
    assert not [name for name in used if "Shape" in name or "_" in name]


def test_cursors_fit_their_pattern() -> None:
    """What a list gives as next_cursor is what the next request may hold."""
    for number in (0, 1, 2**31, MAX_ID):
        assert re.fullmatch(NUMBER_CURSOR, cursor_of(number) or "")
    assert all(re.fullmatch(UUID_CURSOR, cursor_of(new_id()) or "") for _ in range(50))


def test_it_follows_the_declarations() -> None:
    """An operation that is declared anew is in the document with all it can answer, and no word has to be added."""

    async def look(_: ApiRequest) -> ApiResponse:
        """Look at it."""
        return ApiResponse(200)

    news = Operation("GET", f"{PREFIX}/news", "Look", look, READERS & ADMINS, {200: str}, problems=(404,), tagged=True)
    found = document([news])["paths"][f"{PREFIX}/news"]["get"]
    assert (found["operationId"], found["tags"], found["x-roles"]) == ("look", ["news"], ["admin"])
    assert set(found["responses"]) == {"200", "401", "403", "404", "422", "429", "500", "503"}
    assert set(found["responses"]["200"]["headers"]) == {"ETag"}
    assert document([Operation("GET", "/open", "Open", look, EVERYBODY, {200: None})])["paths"]["/open"]["get"]
