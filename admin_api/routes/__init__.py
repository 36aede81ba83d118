"""Every operation of the API, one file per noun."""

from admin_api.http.operation import Operation
from admin_api.routes import audit, contacts, docs, health, leads, operators, parked, sources, stats


def all_operations() -> list[Operation]:
    """Returns every operation, in the order of the documents."""
    described = [
        *operators.OPERATIONS,
        *sources.OPERATIONS,
        *contacts.OPERATIONS,
        *leads.OPERATIONS,
        *parked.OPERATIONS,
        *stats.OPERATIONS,
        *audit.OPERATIONS,
        *health.OPERATIONS,
    ]
    return [*described, *docs.operations(described)]
