"""Messages from a seed: valid ones, nearly valid ones, and nonsense of every kind that AMQP can carry."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from pamqp.commands import Basic

SOURCES = ("s", "other", "nowhere")
GARBLE = "~GARBLE~"
"""Stands for as many bytes that are not UTF-8; the sender substitutes them."""
TOO_LARGE, ONE_IN = 300_000, 400
WORDS = ("", "\0", "é", "🜚", "\u202e", " ", "x" * 255, "x" * 256, "x" * 5_000, GARBLE, "null", "0", "-1", "[]", "'; --")
NUMBERS = (
    "0", "-0", "1e999", "NaN", "-Infinity", "9" * 400, "0.1e-999", "00", "1_0", "0x1", "123456789012345678901", "1e15",
    "12345678901234567.89", "1e-400", "1.0", "9" * 4301,
)  # fmt: skip
SECTIONS = (b"\0Sw\xa1\x02{}", b"\0Sw\xb1\0\0\1\0", b"\0Su\xa0\x02{}\0Su\xa0\x02{}", b"\0Sv\xc0\1\0", b"\0Sw\x41")
"""What RabbitMQ delivers of an AMQP 1.0 message whose body is not a single data section."""
ENCODINGS = ("gzip", "GZIP", "utf-8", "identity", "br", "deflate", "x-gzip", GARBLE)
REPLY_QUEUES = (None, "amq.gen-nowhere", "x" * 255, "é", "amq.rabbitmq.reply-to.x", GARBLE)
TIMESTAMPS = (None, datetime.fromtimestamp(0, UTC), datetime(9999, 1, 1, tzinfo=UTC))
PREFIXES = ("cloudEvents:", "cloudEvents_", "ce-")


@dataclass(frozen=True, slots=True)
class FuzzedMessage:
    """One message."""

    body: bytes
    properties: Basic.Properties
    routing_key: str = "contact.submit.hostile"


@dataclass
class Generator:
    """Makes messages; the same seed makes the same messages."""

    random: Random
    keys: list[str] = field(default_factory=list)

    def messages(self, number: int) -> Iterator[FuzzedMessage]:
        """Yield `number` messages."""
        for _ in range(number):
            yield self.message()

    def message(self) -> FuzzedMessage:
        """One message."""
        r = self.random
        body = self.body()
        if r.random() < 0.3:
            body = self.mutated(body)
        encoding = r.choice(ENCODINGS) if r.random() < 0.1 else None
        if encoding is not None and r.random() < 0.7:
            body = self.packed(body)
        key = r.choice(["contact.submit.s", "", "#", "*", "é" * 20, "x" * 255, "contact.close", ".."])
        return FuzzedMessage(body, self.properties(encoding), key)

    def body(self) -> bytes:
        """Any body."""
        r = self.random
        if r.random() < 1 / ONE_IN:
            return json.dumps(self.submission() | {"payload": "x" * TOO_LARGE}).encode()
        makers: list[Callable[[], bytes]] = [
            *[lambda: json.dumps(self.submission()).encode()] * 8,
            lambda: json.dumps(self.submission(), ensure_ascii=False).encode("utf-8", "surrogatepass"),
            lambda: json.dumps(self.closing()).encode(),
            lambda: json.dumps(self.envelope()).encode(),
            lambda: json.dumps(self.value(3)).encode(),
            lambda: json.dumps(self.submission()).encode(
                r.choice(["utf-16", "utf-8-sig", "utf-32", "latin-1"]), "replace"
            ),
            lambda: b"[" * r.randint(1, 5_000) + b"]" * r.randint(0, 5_000),
            lambda: b'{"a":' * r.randint(1, 3_000),
            lambda: r.randbytes(r.randint(0, 600)),
            lambda: b'{"source": "s", "lead": {"external_id": "7"}, "payload": %s}' % r.choice(NUMBERS).encode(),
            lambda: b'{"source": "s", "source": "other", "lead": {"external_id": "1"}, "lead": {"external_id": "2"}}',
            lambda: b"",
            lambda: r.choice(SECTIONS),
            lambda: json.dumps(self.submission() | {"payload": "cut \ud83d", "\udc00": "\ude00"}).encode(),
            lambda: self.mutated(json.dumps(self.submission() | {"payload": "😀" * 9}).encode()),
        ]
        return r.choice(makers)()

    def submission(self) -> dict[str, Any]:
        """A submission, some fields invalid."""
        r = self.random
        lead: dict[str, Any] = {"external_id": f"lead-{r.randint(1, 500)}"}
        if r.random() < 0.1:
            lead["external_id"] = r.choice([" ", "\u3000", " lead-1", "lead-1\n", " " * 300])
        for name in ("phone", "email", "external_id"):
            if r.random() < 0.25:
                lead[name] = r.choice(["+79991234567", "anna@example.com", *WORDS, self.value(1), "\ud800", "a\ud800b"])
        fields: dict[str, Any] = {"source": r.choice(SOURCES), "lead": lead}
        if r.random() < 0.5:
            fields["payload"] = self.value(4)
        if r.random() < 0.1:
            fields["message_id"] = r.choice([self._key(), self.value(1)])
        if r.random() < 0.1:
            fields[r.choice(list(fields))] = self.value(2)
        return fields

    def closing(self) -> dict[str, Any]:
        """A closing of a contact that may exist."""
        r = self.random
        key = r.choice(self.keys) if self.keys and r.random() < 0.5 else "nothing"
        fields: dict[str, Any] = {"source": r.choice(SOURCES), "message_id": key, "reason": r.choice(WORDS)}
        return fields if r.random() < 0.6 else {"contact_id": r.choice([*WORDS, "0199" + "0" * 28, 7, None])}

    def envelope(self) -> dict[str, Any]:
        """A CloudEvent, some attributes invalid or missing."""
        r = self.random
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": f"ce-{r.randint(1, 10**9)}",
            "source": "/bot",
            "type": "contact.submit",
            "data": self.submission(),
        }
        if r.random() < 0.3:
            event["source"] = r.choice(["/bot", "/other", "https://bots.example/" + "x" * r.choice([1, 1100])])
        if r.random() < 0.2:
            event["id"] = f"ce-{r.randint(1, 50)}"
        if r.random() < 0.2:
            data = json.dumps(event.pop("data")).encode()
            encoded = [*map(base64.b64encode, (self.packed(data), data)), data]
            event["data_base64"] = r.choice(encoded).decode()
        if r.random() < 0.1:
            event["data"] = json.dumps(self.submission())
        if r.random() < 0.2:
            event["datacontenttype"] = r.choice(["application/json", "text/json", "text/plain", "application/xml"])
        if r.random() < 0.1:
            event["specversion"] = r.choice(["0.3", "1.1", 1.0])
        for name in list(event):
            if r.random() < 0.1:
                event[name] = self.value(2)
            elif r.random() < 0.05:
                del event[name]
        return event

    def value(self, depth: int) -> Any:
        """Any JSON value."""
        r = self.random
        if depth and r.random() < 0.4:
            if r.random() < 0.5:
                return [self.value(depth - 1) for _ in range(r.randint(0, 4))]
            return {r.choice(WORDS[:7]) + str(n): self.value(depth - 1) for n in range(r.randint(0, 4))}
        return r.choice([None, True, 0, -1, 2**63, 2**64, 10**30, 0.1, 1e308, "", "\ud800", *WORDS])

    def packed(self, body: bytes) -> bytes:
        """Compress with gzip; sometimes truncated, with trailing bytes, or a decompression bomb."""
        match self.random.randrange(20):
            case 0:
                return gzip.compress(body)[: self.random.randint(0, 40)]
            case 1:
                return gzip.compress(body) + b"more"
            case 2:
                return gzip.compress(b" " * 10 * TOO_LARGE)
            case _:
                return gzip.compress(body)

    def mutated(self, body: bytes) -> bytes:
        """Change, drop or repeat a few bytes."""
        r, content = self.random, bytearray(body)
        for _ in range(r.randint(1, 4)):
            at = r.randrange(len(content) + 1)
            match r.randrange(4):
                case 0:
                    content[at:at] = r.randbytes(r.randint(1, 8))
                case 1:
                    del content[at : at + r.randint(1, 20)]
                case 2:
                    content[at:at] = content[: r.randint(0, 50)]
                case _:
                    content[at : at + 1] = bytes([r.randrange(256)])
        return bytes(content)

    def properties(self, encoding: str | None = None) -> Basic.Properties:
        """Any properties that a broker accepts; the broker itself refuses a wrong `user_id` or `expiration`."""
        r = self.random
        key, odd = self._key(), r.random() < 0.4
        return Basic.Properties(
            message_id=key,
            message_type=r.choice(
                [*("contact.submit", None) * 6, "contact.close", "amqp-1.0", *(WORDS[:7] if odd else ()), GARBLE]
            ),
            content_type=r.choice(
                [
                    *("application/json", None) * 3,
                    *("application/cloudevents+json", "text/plain"),
                    *("application/json; charset=x", "application/json; charset=utf-8"),
                ]
            ),
            content_encoding=encoding or (r.choice([None, "gzip", "utf-8", GARBLE]) if odd else None),
            correlation_id=r.choice([None, *WORDS[:7], GARBLE]) if odd else None,
            reply_to=r.choice(REPLY_QUEUES) if odd else None,
            headers=self.headers() if odd else None,
            delivery_mode=r.choice([1, 2]),
            priority=r.choice([None, 0, 9, 255]) if odd else None,
            timestamp=r.choice(TIMESTAMPS) if odd else None,
            app_id=r.choice([None, GARBLE, "bot"]) if odd else None,
        )

    def headers(self) -> dict[str, Any]:
        """Header tables with values of every type, and names that have a meaning elsewhere."""
        r = self.random
        deep: Any = {}
        for _ in range(r.choice([1, 5, 60])):
            deep = {"d": [deep]}
        choices: dict[str, Any] = {
            "traceparent": r.choice([*WORDS[:7], "00-" + "0" * 32 + "-" + "0" * 16 + "-01", 7, bytearray(b"\xff")]),
            "x-delivery-count": r.choice([-1, 0, 5, 2**31, "many", True]),
            "x-death": r.choice([[], [{"count": 3, "reason": "rejected", "queue": "q"}], "no", 1]),
            "deep": deep,
            "bytes": bytearray(r.randbytes(20)),
            "moment": datetime(2026, 11, 24, tzinfo=UTC),
            "numbers": [1, -1, 2**40, 0.5],
            "flag": True,
            "nothing": None,
            GARBLE: GARBLE,
            "long": "x" * r.choice([10, 20_000]),
        }
        chosen = {name: choices[name] for name in r.sample(list(choices), r.randint(0, 5))}
        return chosen | (self.attributes() if r.random() < 0.4 else {})

    def attributes(self) -> dict[str, Any]:
        """The headers of a CloudEvent in binary mode, some invalid or missing."""
        r, prefix = self.random, self.random.choice(PREFIXES)
        headers: dict[str, Any] = {"specversion": "1.0", "id": f"ce-{r.randint(1, 50)}", "source": "/bot"}
        headers["type"] = r.choice(["contact.submit", "contact.close", "contact.open"])
        for name in list(headers):
            if r.random() < 0.1:
                headers[name] = r.choice([None, 7, "", "0.3", GARBLE, bytearray(b"\xff")])
            elif r.random() < 0.1:
                del headers[name]
        return {prefix + name: value for name, value in headers.items()}

    def _key(self) -> str | None:
        r = self.random
        if self.keys and r.random() < 0.1:
            return r.choice(self.keys)
        if r.random() < 0.15:
            return r.choice([None, "", GARBLE, "x" * 255, "\0", "é"])
        self.keys.append(f"m-{len(self.keys)}")
        return self.keys[-1]
