"""Shapes and bodies as JSON schema, each once, under a readable name."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from admin_api.http.operation import Operation, Query
from admin_api.openapi.problems import InvalidInput, Problem

REFERENCE = "#/components/schemas/{model}"
PAGE = re.compile(r"Page_(.+)_")
NULL = {"type": "null"}


class Generator(GenerateJsonSchema):
    """Generates names without our classes' suffix `Shape`, and no titles that repeat a name."""

    def normalize_name(self, name: str) -> str:
        """Returns `OperatorPage` for `PageShape[OperatorShape]`."""
        return PAGE.sub(r"\1Page", super().normalize_name(name.replace("Shape", "")))

    def field_title_should_be_set(self, _: object) -> bool:
        """Returns False: a title would only repeat the field's name."""
        return False


class BodyGenerator(Generator):
    """Describes defaults in words: generated TypeScript clients treat a field with `default` as required."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Returns the field's schema; its description states the default, unless that is null."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if default is None:
            return inner
        words = [inner.get("description"), f"Default: `{json.dumps(default)}`."]
        return {**inner, "description": " ".join(filter(None, words))}


def generate(bodies: Iterable[Any], answers: Iterable[Any]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Returns the schema of each body and answer, by it and its mode, and the definitions that they refer to."""
    inputs = [(model, "validation", TypeAdapter(model)) for model in dict.fromkeys(bodies)]
    outputs = [(shape, "serialization", TypeAdapter(shape)) for shape in dict.fromkeys(answers)]
    schemas, document = TypeAdapter.json_schemas(
        [*inputs, *outputs],  # type: ignore[list-item]  # the modes are literals
        ref_template=REFERENCE,
        schema_generator=BodyGenerator,
    )
    return dict(schemas), _without_titles(document)


class Schemas:
    """The JSON schemas of all that operations take and return."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        bodies = [operation.body for operation in operations if operation.body]
        answers = [
            shape for operation in operations for shape in operation.answers.values() if shape not in (None, str)
        ]
        self._schemas, self.definitions = generate(bodies, [*answers, Problem, InvalidInput])
        self._queries = {operation.query: self._query(operation.query) for operation in operations}

    def body(self, model: type[BaseModel]) -> dict[str, Any]:
        """Returns the schema of a request body."""
        return self._schemas[model, "validation"]

    def answer(self, shape: Any) -> dict[str, Any]:
        """Returns the schema of a response body."""
        return self._schemas[shape, "serialization"]

    def query(self, model: type[Query]) -> Mapping[str, dict[str, Any]]:
        """Returns the schema of each parameter of a query."""
        return self._queries[model]

    def _query(self, model: type[Query]) -> dict[str, dict[str, Any]]:
        schema = model.model_json_schema(ref_template=REFERENCE, schema_generator=Generator)
        self.definitions |= _without_titles(schema)
        return {name: _without_null(parameter) for name, parameter in schema.get("properties", {}).items()}


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the definitions of a schema; their titles would only repeat their names."""
    return {name: {k: v for k, v in each.items() if k != "title"} for name, each in schema.get("$defs", {}).items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema without null: a query has no null, a parameter is only left out."""
    if NULL not in schema.get("anyOf", ()):
        return schema
    [present] = [option for option in schema["anyOf"] if option != NULL]
    return {**present}
