"""The AsyncAPI document says what the code reads and writes."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from admin_api.asyncapi.channels import INBOUND, LOG, ROUTING_KEYS
from admin_api.asyncapi.document import asyncapi_document, written
from admin_api.asyncapi.examples import changes
from admin_api.asyncapi.messages import message_id
from distribution.events import PARKED, TYPES
from distribution.messages import BODIES, CLOUDEVENTS_TYPE, Incoming, decode
from distribution.release import VERSION
from worker.broker.topology import Topology

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.json"
REFERENCE = re.compile(r'"\$ref": "([^"]+)"')


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = json.loads(written())
    return found


def resolved(described: dict[str, Any], reference: str) -> Any:
    """What a reference within the document names."""
    place: Any = described
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def every_object(value: Any) -> list[dict[str, Any]]:
    """Every JSON object within a value."""
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in every_object(inner))]
    return [found for inner in value for found in every_object(inner)] if isinstance(value, list) else []


def without_unknown_fields(described: dict[str, Any]) -> dict[str, Any]:
    """The document with closed schemas: a field that the code writes and no schema has is an error then."""
    closed: dict[str, Any] = json.loads(json.dumps(described))
    for schema in closed["components"]["schemas"].values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return closed


def test_the_file_is_what_the_code_makes() -> None:
    """`make asyncapi` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == written()


def test_the_command_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m admin_api.asyncapi` prints what is served and nothing else, so that a file can be made of it."""
    runpy.run_module("admin_api.asyncapi", run_name="__main__")
    assert capsys.readouterr().out == written()


def test_it_is_of_this_release(described: dict[str, Any]) -> None:
    """AsyncAPI 3.0, with the release's number."""
    assert (described["asyncapi"], described["info"]["version"]) == ("3.0.0", VERSION)


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    """None names what is not there, and no message or schema is left unused."""
    names = set(REFERENCE.findall(json.dumps(described)))
    assert all(resolved(described, name) for name in names)
    components = described["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("messages", "schemas") for name in components[kind]}
    assert there <= names


def test_every_type_of_the_code_has_a_message_and_a_channel(described: dict[str, Any]) -> None:
    """What bots may send, also as a CloudEvent, and what subscribers and senders get."""
    sent = {message_id(kind, as_cloudevent=packed) for kind in BODIES for packed in (False, True)}
    events = {message_id(kind) for kind in TYPES}
    assert set(described["components"]["messages"]) == sent | events | {message_id(PARKED)}
    assert set(described["channels"]["inbound"]["messages"]) == sent
    assert set(described["channels"]["eventLog"]["messages"]) == events
    assert set(described["channels"]["replies"]["messages"]) == events | {message_id(PARKED)}
    channels = {operation["channel"]["$ref"].rpartition("/")[2] for operation in described["operations"].values()}
    assert {message_id(kind) for kind in (*BODIES, *TYPES)} | {"eventLog"} == channels


@pytest.mark.parametrize("kind", [message_id(kind) for kind in (*TYPES, PARKED)])
def test_what_the_code_writes_fits_the_schema(described: dict[str, Any], kind: str) -> None:
    """The example is written by the code that writes the real one; no field is missing and none is undescribed."""
    message = described["components"]["messages"][kind]
    envelope, narrowed = message["payload"]["allOf"]
    schemas = without_unknown_fields(described)["components"]
    [example] = message["examples"]
    jsonschema.validate(example["payload"], {"components": schemas, **envelope})
    jsonschema.validate(example["payload"], narrowed)
    assert example["payload"]["type"] == message["name"]


@pytest.mark.parametrize("kind", [*BODIES])
@pytest.mark.parametrize("packed", [False, True])
def test_what_bots_are_shown_is_understood(described: dict[str, Any], kind: str, *, packed: bool) -> None:
    """An example that a bot copies is taken as it is, and fits its schema."""
    message = described["components"]["messages"][message_id(kind, as_cloudevent=packed)]
    [example] = message["examples"]
    jsonschema.validate(example["payload"], {**message["payload"], "components": described["components"]})
    incoming = Incoming(
        json.dumps(example["payload"]).encode(), type=None if packed else kind, content_type=message["contentType"]
    )
    assert decode(incoming, 10_000)
    assert (message["contentType"] == CLOUDEVENTS_TYPE) is packed


@pytest.mark.parametrize("kind", TYPES)
def test_routing_keys_are_those_of_the_code(described: dict[str, Any], kind: str) -> None:
    """The channel's address with its parameters filled in is the key of the example."""
    change = changes()[kind]
    operator = change.operator["id"] if change.operator else "none"
    channel = described["channels"][message_id(kind)]
    assert channel["address"] == ROUTING_KEYS[kind]
    assert channel["address"].format(source=change.source["code"], operator=operator) == change.routing_key
    assert set(channel.get("parameters", {})) == set(re.findall(r"{(\w+)}", channel["address"]))


def test_exchanges_and_queues_are_those_of_the_worker(described: dict[str, Any]) -> None:
    """The same names and kinds as the worker declares."""
    topology = Topology("", "7D")
    bindings = [found["amqp"] for found in every_object(described["channels"]) if "is" in found.get("amqp", {})]
    exchanges = {(b["exchange"]["name"], b["exchange"]["type"]) for b in bindings if b["is"] == "routingKey"}
    declared = {(exchange.name, exchange.kind) for exchange in topology.exchanges()}
    assert exchanges == declared - {(topology.dead, "fanout")}
    assert {b["queue"]["name"] for b in bindings if b["is"] == "queue"} == {INBOUND, LOG}
    assert {topology.inbound, topology.log} == {INBOUND, LOG}


def test_a_wrong_event_does_not_fit() -> None:
    """The schemas tell: an event without its sequence is none."""
    described = asyncapi_document()
    message = described["components"]["messages"][message_id(TYPES[0])]
    wrong = json.loads(json.dumps(message["examples"][0]["payload"]))
    del wrong["data"]["sequence"]
    with pytest.raises(jsonschema.ValidationError, match="sequence"):
        jsonschema.validate(wrong, {"components": described["components"], **message["payload"]["allOf"][0]})
