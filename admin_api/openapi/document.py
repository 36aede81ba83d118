"""The document of all operations."""

from collections.abc import Sequence
from typing import Any

from admin_api.http.operation import Operation
from admin_api.openapi.descriptions import ABOUT, HEADERS, SECURITY, SERVERS, TAGS
from admin_api.openapi.operation import describe
from admin_api.openapi.problems import responses
from admin_api.openapi.schemas import Schemas


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of these operations."""
    schemas = Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = describe(operation, schemas, operations)
    used = {tag for path in paths.values() for entry in path.values() for tag in entry["tags"]}
    return {
        "openapi": "3.1.0",
        "info": ABOUT,
        "servers": SERVERS,
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": responses(),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }
