"""The declarations are complete and fit each other."""

import pytest
from pydantic import TypeAdapter

from admin_api.http.operation import PREFIX, Operation
from admin_api.routes import all_operations


def name(operation: Operation) -> str:
    """As tests are named."""
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", all_operations(), ids=name)
def test_says_all_that_a_document_of_the_api_needs(operation: Operation) -> None:
    """An id in the path has its kind, a body only where one is sent, and every shape has a JSON schema."""
    assert ("{id}" in operation.path) == (operation.key is not None)
    assert (operation.method in ("POST", "PUT", "PATCH")) == (operation.body is not None)
    assert bool(operation.roles) == operation.path.startswith(PREFIX)
    assert operation.summary
    assert operation.handler.__doc__
    for model in filter(None, (operation.body, operation.query)):
        assert model.model_json_schema()["type"] == "object"
    for shape in filter(None, operation.answers.values()):
        assert TypeAdapter(shape).json_schema()


def test_nothing_is_declared_twice() -> None:
    """A method on a path is one operation."""
    names = [name(operation) for operation in all_operations()]
    assert len(set(names)) == len(names)
