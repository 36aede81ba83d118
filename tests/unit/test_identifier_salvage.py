"""What a parked message names is found in any body, without decoding it: it may be what ended a worker."""

import gzip
import json
import time
from base64 import b64encode
from uuid import UUID

import pytest

from distribution.errors import SourceAndContact
from distribution.intake.identifier_salvage import SCANNED_BYTES, source_and_contact_in
from distribution.messages import CLOUDEVENTS_TYPE, Incoming

ID = UUID(int=7)
WEB = b'{"lead": {"external_id": 5}, "source": "web"}'


def source_of(body: bytes, content_type: str | None = None) -> str | None:
    """The source that the body names."""
    return source_and_contact_in(Incoming(body, content_type=content_type)).source


@pytest.mark.parametrize(
    ("body", "source"),
    [
        (b'{"source": "web", "lead": {}}', "web"),
        (b' {"payload": {"source": "no", "a": [1, {"source": "no"}]}, "source" : "web"}', "web"),
        (b'{"a": "\\"source\\": \\"no\\"", "source":"web"}', "web"),
        (b'{"a": ", \\"source": "no"}', None),
        (b'{"lead": {"external_id": "x",}, "source": "web"}', "web"),
        (b'{"source": "web", "payload": "cut', "web"),
        (b'\xef\xbb\xbf{"source": "web"}', "web"),
        (b'\x00Sw\xa1\x11{"source": "web"}', "web"),
        (b'{"payload": "' + b"x" * 100_000 + b'", "source": "web"}', "web"),
        (b'{"payload": "\xff\xfe", "source": "web", "a": NaN}', "web"),
        (b'{"source": "WEB"}', None),
        (b'{"source": 1}', None),
        (b'{"source": "we', None),
        (b'["source", ":", "web"]', None),
        (b'"source": "web"', None),
        (b'{"lead": {"source": "no"}}', None),
        (b'{"a": 1}, {"source": "no"}', None),
        (b"\xff\x00", None),
        (b"", None),
        (b'{"payload": "' + b"x" * SCANNED_BYTES + b'", "source": "web"}', None),
    ],
)
def test_the_source_is_found_wherever_it_can_be_read(body: bytes, source: str | None) -> None:
    """Only the one of the message itself, in broken JSON and in the beginning of a body too."""
    assert source_of(body) == source


def test_packed_and_utf_16_bodies_are_read() -> None:
    """What is parked for its encoding can be found by its source all the same; what cannot be unpacked cannot."""
    assert source_of(gzip.compress(WEB)) == "web"
    assert source_of(gzip.compress(WEB)[:-8]) == "web"
    assert source_of(b"\x1f\x8b" + WEB) is None
    assert source_of(WEB.decode().encode("utf-16")) == "web"


def test_of_a_cloudevent_the_source_within_its_data_counts() -> None:
    """Its own source means something else; told by its content type or by its attributes."""
    data = json.loads(WEB)
    for envelope in (
        {"specversion": "1.0", "source": "no", "data": data},
        {"source": "no", "specversion": "1.0", "data_base64": b64encode(WEB).decode()},
        {"data": {"x": {}} | data, "source": "no"},
    ):
        body = json.dumps(envelope).encode()
        assert source_of(body, CLOUDEVENTS_TYPE) == "web"
        assert source_of(body) == ("web" if "specversion" in envelope else "no")
    for nothing in (b'{"source": "web"}', b'{"source": "web", "data": "text"}', b'{"data": {}, "x": {"source": "no"}}'):
        assert source_of(nothing, CLOUDEVENTS_TYPE) is None


def test_the_contact_that_a_command_names_is_found() -> None:
    """By its id, whatever else the body lacks."""
    closing = Incoming(f'{{"contact_id": "{ID}", "reason": 5}}'.encode())
    assert source_and_contact_in(closing) == SourceAndContact(None, ID)
    assert source_and_contact_in(Incoming(b'{"contact_id": "7", "source": "web"}')) == SourceAndContact("web", None)


@pytest.mark.parametrize(
    "unit",
    [b'"\\', b'"', b"{", b"[[", b'\\"', b'{"a":', b'{"source":', b'"source":"', b'{"data":{', b'"",', b'{ "\\"'],
)
def test_hostile_bodies_take_no_time(unit: bytes) -> None:
    """What may have ended a worker must not hold up who parks it."""
    bodies = [unit * 1_000_000, b'{"a": "' + unit * 30_000 + b'","source":"web"', b'{"' + unit * 30_000 + WEB]
    begun = time.process_time()
    for body in bodies:
        source_and_contact_in(Incoming(body))
    assert time.process_time() - begun < 0.6
