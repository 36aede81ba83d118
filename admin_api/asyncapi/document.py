"""The document of all messages."""

import json
from typing import Any

from admin_api.asyncapi.channels import channels, operations
from admin_api.asyncapi.messages import messages, schemas
from admin_api.openapi.descriptions import CONTACT, LICENSE, TITLE
from distribution.messages import JSON_TYPE
from distribution.release import VERSION

DESCRIPTION = (
    "Bots publish *submissions* to the exchange `contacts`; each becomes one *contact* of a *lead* and is given to an"
    " *operator*, or waits. Each decision is published as an event on the exchange `assignments`, and sent to the"
    " queue that the submission names in `reply_to`.\n\nEvents are delivered at least once and keep their `id`; those"
    " of one contact come in the order of `data.sequence`. Ignore event types that you do not know. `BROKER_PREFIX`,"
    " if it is set, stands before the name of every exchange and queue."
)
SERVERS = {
    "broker": {
        "host": "localhost:5672",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ 3.10 or later; the host is the one of AMQP_URL.",
    }
}


def asyncapi_document() -> dict[str, Any]:
    """Returns the AsyncAPI 3.0 document of what bots publish and subscribers receive."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{TITLE}: messages",
            "version": VERSION,
            "description": DESCRIPTION,
            "contact": CONTACT,
            "license": LICENSE,
            "tags": [{"name": "contacts"}, {"name": "assignments"}],
        },
        "defaultContentType": JSON_TYPE,
        "servers": SERVERS,
        "channels": channels(),
        "operations": operations(),
        "components": {"messages": messages(), "schemas": schemas()},
    }


def written() -> str:
    """Returns the document as JSON, as in docs/asyncapi.json."""
    return json.dumps(asyncapi_document(), indent=2, ensure_ascii=False) + "\n"
