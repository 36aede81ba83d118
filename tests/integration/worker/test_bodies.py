"""Bodies as real clients send them, over a real broker."""

import gzip
import json

from distribution.store.tables import contacts, parked_messages
from tests.clients import body, message
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness

ATTRIBUTES = {"specversion": "1.0", "id": "1", "type": "contact.submit"}


async def test_every_form_that_is_taken_becomes_a_contact(world: WorkerHarness) -> None:
    """Packed, marked, with half an emoji, as binary CloudEvents; with a random property beside the body's key."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    plain = [json.dumps(body("web", f"w:{number}")).encode() for number in range(4)]
    keyed = body("web", "w:keyed", message_id="own")
    sent = [
        message(gzip.compress(plain[0]), "gzip", content_encoding="gzip"),
        message(b"\xef\xbb\xbf" + plain[1], "marked", content_encoding="utf-8"),
        message(plain[2][:-1] + rb', "payload": ["cut \ud83d", 12345678901234567.89]}', "half"),
        message(keyed, None),
        message(keyed, None),
    ]
    for prefix, source in (("cloudEvents:", "/a"), ("cloudEvents_", "/b"), ("ce-", "/b")):
        headers = {prefix + name: value for name, value in (ATTRIBUTES | {"source": source}).items()}
        sent.append(message(body("web", f"w:{source}"), None, headers=headers, type=None))
    async with world.worker():
        await world.bot.publish(sent)
        events = await world.subscriber.count(6)
        await world.bot.publish([message(body("web", "last"), "last")])
        await world.subscriber.until(lambda seen: any(e["data"]["contact"]["message_id"] == "last" for e in seen))
    keys = sorted(event["data"]["contact"]["message_id"] for event in events)
    assert keys == ["1", "1", "gzip", "half", "marked", "own"]
    assert await count(world.engine, contacts) == 7
    assert await count(world.engine, parked_messages) == 0
    [half] = [m.body for m in world.subscriber.messages if b"cut" in m.body]
    assert '"payload":["cut \ufffd",12345678901234567.89]'.encode() in half
