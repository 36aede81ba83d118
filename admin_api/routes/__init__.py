"""Every operation of the API, one file per noun."""

from admin_api.http.operation import Operation
from admin_api.routes import contacts, docs, health, leads, operators, parked, reports, sources


def all_operations() -> list[Operation]:
    """What the API can do."""
    described = [
        *operators.OPERATIONS,
        *sources.OPERATIONS,
        *contacts.OPERATIONS,
        *leads.OPERATIONS,
        *parked.OPERATIONS,
        *reports.OPERATIONS,
        *health.OPERATIONS,
    ]
    return [*described, *docs.operations(described)]
