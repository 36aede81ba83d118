"""Operators: request bodies, response bodies and their serializer."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from admin_api.http.operation import Query
from admin_api.models.common import Body, Name, Whole, absent, truth
from distribution.event_shapes import Time
from distribution.ids import isoformat
from distribution.store.operators import OperatorRow

Limit = Annotated[int, Field(ge=0, le=1_000_000), Whole]


class NewOperator(Body):
    """A new operator."""

    name: Name
    is_active: bool = True
    max_active_contacts: Limit = 10


class OperatorChange(Body):
    """Changed fields of an operator."""

    name: Name = Field(default_factory=absent)
    is_active: bool = Field(default_factory=absent)
    max_active_contacts: Limit = Field(default_factory=absent)


class OperatorChangeQuery(Query):
    """How to change an operator: `reassign` moves its contacts away, and requires `is_active: false` in the body."""

    reassign: Annotated[bool, BeforeValidator(truth)] = False


class OperatorLine(TypedDict):
    """An operator's load and limit."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int


class OperatorShape(OperatorLine):
    """An operator."""

    created_at: Time


def operator_shape(row: OperatorRow) -> OperatorShape:
    """Returns an operator as the API shows it."""
    return {**operator_line(row), "created_at": isoformat(row.created_at)}


def operator_line(row: OperatorRow) -> OperatorLine:
    """Returns an operator as the stats show it."""
    return {
        "id": row.id,
        "name": row.name,
        "is_active": row.is_active,
        "max_active_contacts": row.max_active_contacts,
        "load": row.load,
    }
