"""Whatever arrives is understood or refused: nothing a sender can write makes the worker fall."""

import base64
import dataclasses
import gzip
import json
import re
from hashlib import blake2b
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import (
    CLOUDEVENTS_TYPE,
    MAX_KEY_BYTES,
    ROUNDED,
    Incoming,
    Submission,
    decode,
    is_same_body,
)
from tests.factories import submission_of

MAX_BYTES = 4096
AT_DECODE = {
    ParkedCode.INVALID_JSON,
    ParkedCode.INVALID_MESSAGE,
    ParkedCode.MISSING_MESSAGE_ID,
    ParkedCode.UNKNOWN_TYPE,
    ParkedCode.TOO_LARGE,
}

anything = st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | anything
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3))
codes = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
no_nul = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.text(no_nul, min_size=1, max_size=30).filter(str.strip)
near_misses = st.fixed_dictionaries(
    {},
    optional={
        "source": codes | values,
        "lead": st.fixed_dictionaries({}, optional={"external_id": names | values, "phone": values, "email": values}),
        "payload": values,
        "id": names | values,
        "contact_id": st.uuids().map(str) | values,
        "message_id": names | values,
        "reason": values,
        "type": st.just("contact.submit") | st.just("contact.close") | values,
        "data": values,
        "data_base64": st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode()) | values,
        "specversion": st.just("1.0") | values,
        "producer": names | values,
    },
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "message_id": st.none() | anything,
        "type": st.none() | st.just("contact.submit") | st.just("contact.close") | anything,
        "content_type": st.sampled_from([None, "application/json", CLOUDEVENTS_TYPE, "a;charset=x"]) | anything,
        "content_encoding": st.sampled_from([None, "gzip", "utf-8"]) | anything,
        "reply_to": st.none() | anything,
        "correlation_id": st.none() | anything,
        "headers": st.dictionaries(
            st.sampled_from(["traceparent", "ce-specversion", "cloudEvents:id", "cloudEvents_type"]) | anything,
            st.sampled_from(["1.0", "contact.submit"]) | values | st.binary(max_size=5),
            max_size=4,
        ),
    },
)
finite = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
)


def check(raw: bytes, kept: dict[str, Any]) -> None:
    """Understood, with what both databases can hold, or refused under a code of the contract."""
    try:
        found = decode(Incoming(raw, **kept), MAX_BYTES)
    except MessageRejected as refusal:
        code, detail = refusal.code, refusal.detail
        assert code in AT_DECODE
        assert detail
        assert len(detail) < 2000
    else:
        assert found.message_id is None or 1 <= len(found.message_id.encode()) <= MAX_KEY_BYTES
        for text in filter(None, (value for value in dataclasses.astuple(found) if isinstance(value, str))):
            assert text.encode()
            assert "\0" not in text


@given(st.binary(max_size=5000), properties)
def test_any_bytes_are_answered(raw: bytes, kept: dict[str, Any]) -> None:
    """Bytes that mean nothing are refused under a code, whatever properties come with them."""
    check(raw, kept)


@given(values | near_misses, properties)
def test_any_json_is_answered(content: object, kept: dict[str, Any]) -> None:
    """JSON that is almost a submission or a CloudEvent, NaN and lone surrogates included, is answered too."""
    check(json.dumps(content).encode(), kept)
    check(json.dumps(content, ensure_ascii=False).encode(errors="surrogatepass"), kept)


def submitted(content: dict[str, Any], **kept: Any) -> Submission:
    """What is understood of a valid body."""
    return submission_of(Incoming(json.dumps(content).encode(), **kept), 2**20)


@given(codes, names, st.none() | names, st.none() | names, finite)
def test_every_valid_submission_is_understood(
    source: str, external_id: str, phone: str | None, email: str | None, payload: object
) -> None:
    """What keeps to the contract gets through with its values unchanged, plain and in an envelope alike."""
    lead = {"external_id": external_id, "phone": phone, "email": email}
    content = {"source": source, "lead": lead, "payload": payload}
    plain = submitted(content, message_id="k")
    assert (plain.source, plain.external_id) == (source, external_id.strip())
    assert plain.phone == (phone if phone and phone.strip() else None)
    assert plain.email == (email if email and email.strip() else None)
    assert json.loads(plain.payload) == payload
    event = {"specversion": "1.0", "id": "k", "type": "contact.submit", "data": content}
    assert submitted(event, content_type=CLOUDEVENTS_TYPE) == plain


@given(finite, finite)
def test_bodies_are_the_same_only_when_they_mean_the_same(one: object, other: object) -> None:
    """A key is refused for another body exactly when the JSON means something else."""
    digests = [
        submitted({"source": "bot", "lead": {"external_id": "x"}, "payload": payload}, message_id="k").digest
        for payload in (one, other)
    ]
    meanings = [json.dumps(payload, sort_keys=True) for payload in (one, other)]
    assert (digests[0] == digests[1]) == (meanings[0] == meanings[1])


numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_every_number_stays_as_it_was_written(written: list[str]) -> None:
    """The payload is the text that was sent, whatever a float would make of it."""
    payload = f"[{','.join(written)}]"
    raw = b'{"source": "bot", "lead": {"external_id": "x"}, "payload": %s}' % payload.encode()
    assert submission_of(Incoming(raw, message_id="k"), 2**20).payload == payload


@given(numbers, numbers)
def test_numbers_are_the_same_only_as_they_were_written(one: str, other: str) -> None:
    """Two amounts that differ in a digit are two bodies."""
    raw = '{"source": "bot", "lead": {"external_id": "x"}, "payload": [%s]}'
    digests = [submission_of(Incoming((raw % n).encode(), message_id="k"), 2**20).digest for n in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


@given(finite, names)
def test_a_body_that_the_release_before_kept_is_recognised(payload: object, external_id: str) -> None:
    """By the digest that it made, with its rounded numbers and with the spaces around the lead's id."""
    content = {"source": "bot", "lead": {"external_id": external_id}, "payload": payload}
    then = json.dumps(
        ["bot", external_id, None, None, payload], ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    digest = blake2b(then.encode(), digest_size=16).digest()
    assert is_same_body(submitted(content, message_id="k"), digest, ROUNDED)


@given(st.text(st.characters(), max_size=20))
def test_lone_surrogates_alone_are_replaced(text: str) -> None:
    """Escaped in JSON, every text comes through as it is, but for what UTF-8 has no bytes for."""
    content = {"source": "bot", "lead": {"external_id": "x"}, "payload": {text: text}}
    whole = re.sub("[\ud800-\udbff][\udc00-\udfff]", lambda pair: decoded(pair[0]), text)
    expected = re.sub("[\ud800-\udfff]", "\ufffd", whole)
    assert json.loads(submitted(content, message_id="k").payload) == {expected: expected}


def decoded(pair: str) -> str:
    """The character that two surrogates are."""
    return pair.encode("utf-16", "surrogatepass").decode("utf-16")


@given(st.binary(max_size=300), st.sampled_from(["gzip", "utf-8", "identity", None]))
def test_a_body_means_the_same_however_it_is_packed(raw: bytes, encoding: str | None) -> None:
    """Packed or not, the answer to it is the same."""
    packed = gzip.compress(raw) if encoding == "gzip" else raw
    assert outcome(Incoming(packed, message_id="k", content_encoding=encoding)) == outcome(
        Incoming(raw, message_id="k")
    )


def outcome(message: Incoming) -> object:
    """What is understood, or the code and the detail of the refusal."""
    try:
        return decode(message, MAX_BYTES)
    except MessageRejected as refusal:
        return refusal.code, refusal.detail
