"""Every operation of the API, one file per noun."""

from admin_api.operations import Operation
from admin_api.routes import contacts, health, leads, operators, parked, sources


def all_operations() -> list[Operation]:
    """What the API can do."""
    return [
        *operators.OPERATIONS,
        *sources.OPERATIONS,
        *contacts.OPERATIONS,
        *leads.OPERATIONS,
        *parked.OPERATIONS,
        *health.OPERATIONS,
    ]
