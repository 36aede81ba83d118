"""What the worker says of reply queues that it refuses."""

from structlog.testing import capture_logs

from distribution.messages import Incoming
from tests.factories import body
from worker.consume.refused_reply_to import RefusedReplyTo
from worker.metrics import Metrics
from worker.settings import WorkerSettings


def test_refused_replies_are_counted_and_one_is_logged() -> None:
    """A bot that asks a thousand times fills no log; what it sent cannot forge a line of it."""
    metrics = Metrics()
    decoder, refused = WorkerSettings(reply_queue_prefix="answers.").decoder, RefusedReplyTo(metrics)
    with capture_logs() as said:
        for queue in ("other\n" + "x" * 200, "contacts.inbound.v1", "\udcff", "answers.bot", None):
            sent = Incoming(body(), "m-1", reply_to=queue, user_id="hall\x1b")
            refused.note(sent, decoder.decode(sent).message)
    assert metrics.registry.get_sample_value("contacts_replies_refused_total") == 3
    [line] = said
    assert (line["event"], line["log_level"]) == ("reply_refused", "warning")
    assert line["queue"] == "'other\\n" + "x" * 94 + "'"
    assert line["user"] == "'hall\\x1b'"
