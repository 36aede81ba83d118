"""Converts a delivery into a message of the domain."""

from typing import Any

from aiormq.abc import DeliveredMessage

from distribution.messages import Incoming
from worker.broker.aiormq_channels import Delivery
from worker.broker.tolerant_decoding import as_bytes


def incoming_from_delivery(delivery: DeliveredMessage) -> Incoming:
    """The delivery without the client library's types; all properties are kept in case it is parked."""
    properties = delivery.header.properties
    kept: dict[str, Any] = {name: value for name, value in dict(properties).items() if value not in (None, "", {})}
    kept |= {"exchange": delivery.exchange, "routing_key": delivery.routing_key}
    kept = {name: as_bytes(value) if isinstance(value, str) else value for name, value in kept.items()}
    digest = delivery.body_digest if isinstance(delivery, Delivery) else None
    return Incoming(
        body=delivery.body,
        message_id=properties.message_id or None,
        type=properties.message_type or None,
        content_type=properties.content_type or None,
        content_encoding=properties.content_encoding or None,
        reply_to=properties.reply_to or None,
        correlation_id=properties.correlation_id or None,
        headers=properties.headers or {},
        properties=kept,
        user_id=properties.user_id or None,
        body_size=delivery.header.body_size if digest else None,
        body_digest=digest,
        redelivered=bool(delivery.redelivered),
    )
