"""The worker's Prometheus metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LOCK_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All metrics; each is registered once."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.messages = Counter("contacts_messages", "Messages by outcome", ["outcome"], registry=registry)
        self.published = Counter("contacts_published", "Publications by result", ["result"], registry=registry)
        self.batch_seconds = Histogram("contacts_batch_seconds", "Time of a batch's transaction", registry=registry)
        in_batch = "Messages in a batch"
        self.batch_messages = Histogram("contacts_batch_messages", in_batch, buckets=SIZES, registry=registry)
        self.swept = Counter("contacts_swept_sources", "Sources whose waiting contacts were missed", registry=registry)
        self.connects = Counter("contacts_broker_connects", "Connections made", ["connection"], registry=registry)
        alarmed = "1 while the broker takes no publications"
        self.blocked = Gauge("contacts_broker_blocked", alarmed, ["connection"], registry=registry)
        refused = "Messages whose reply_to may not be used: they get no reply"
        self.replies_refused = Counter("contacts_replies_refused", refused, registry=registry)
        ready = "Messages in a queue that no consumer has taken yet: inbound, dead"
        self.queue_messages = Gauge("contacts_queue_messages", ready, ["queue"], registry=registry)
        self.queue_consumers = Gauge("contacts_queue_consumers", "Consumers of a queue", ["queue"], registry=registry)
        age = "Age of the message taken last, by the timestamp that its sender set"
        self.inbound_age = Gauge("contacts_inbound_age_seconds", age, registry=registry)
        gone = "Exchanges and queues that were found missing"
        self.missing = Counter("contacts_missing_broker_objects", gone, ["object"], registry=registry)
        quarantined = "Events in the outbox that the broker did not take, waiting for their next try"
        self.quarantined_events = Gauge("contacts_events_set_aside", quarantined, registry=registry)
        self.held = Gauge("contacts_held_messages", "Messages taken and not yet settled", registry=registry)
        locked = "Messages set aside because another transaction holds locks of their source"
        self.locked_messages = Gauge("contacts_set_aside_messages", locked, ["source"], registry=registry)
        waited = "Time of a batch's statements that lock its sources and operators"
        self.lock_wait = Histogram("contacts_lock_wait_seconds", waited, buckets=LOCK_SECONDS, registry=registry)
