"""What makes two bodies the same: the key may be used again with the same meaning, never with another."""

import json
from itertools import combinations

from distribution.messages import CLOUDEVENTS_TYPE, Incoming
from tests.factories import body, submission_of


def digest(raw: bytes, content_type: str | None = None) -> bytes:
    """What a body is told by."""
    return submission_of(Incoming(raw, message_id="k", content_type=content_type)).digest


def event(raw: bytes) -> bytes:
    """The same submission in an envelope."""
    return b'{"type": "contact.submit", "id": "k", "specversion": "1.0", "data": ' + raw + b"}"


def test_the_form_of_a_message_does_not_matter() -> None:
    """A bot that sends again as a CloudEvent, with other spaces and another order of keys, gets the same contact."""
    plain = body("x", phone="1", payload={"b": [1, {"d": 1, "c": 2}], "a": "ж"})
    content = json.loads(plain)
    turned = {name: content[name] for name in reversed(content)}
    turned["payload"] = {"a": "ж", "b": [1, {"c": 2, "d": 1}]}
    forms = [
        json.dumps(turned, indent=3).encode(),
        json.dumps(turned, ensure_ascii=False, separators=(",", ":")).encode(),
        plain.replace(b"\\u0436", b"\\u0436".upper().replace(b"\\U", b"\\u")),
    ]
    assert {digest(form) for form in forms} == {digest(plain)}
    assert {digest(event(form), CLOUDEVENTS_TYPE) for form in forms} == {digest(plain)}


def test_another_message_id_is_no_other_body() -> None:
    """The digest tells bodies apart; the key is not part of it."""
    one, other = (submission_of(Incoming(body(), message_id=key)) for key in ("k", "l"))
    assert one.digest == other.digest


def test_any_other_value_is_another_body() -> None:
    """No two of these bodies, each one value away from another, are taken for the same."""
    payloads = [
        0, 1, 1.0, True, False, None, "", "1", "null", [], {}, [1], [[1]], ["1"], {"a": 1}, {"a": "1"}, {"a": None},
        {"A": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, [1, 2], [2, 1], 2**64, 2**64 + 1, 0.1, 0.10000000000000002,
        "é", "e\u0301", "a\0", "a", "a ", {"a": [1, 2]}, {"a": [2, 1]},
    ]  # fmt: skip
    bodies = [body("x", payload=value) for value in payloads]
    bodies += [
        body("y"),
        body("x", source="web"),
        body("x", phone="1"),
        body("x", email="1"),
        body("x", phone="1", email="2"),
        body("x", phone="2", email="1"),
        body("x", phone="12"),
        body('x",null'),
    ]
    for one, other in combinations(bodies, 2):
        assert digest(one) != digest(other), (one, other)
