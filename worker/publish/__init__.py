"""The outbox relay: rows are published until the broker confirms them, then deleted.

relay               three lanes: events, events that were not taken, replies
relay_client        what the consumer sees of it: claim, lend confirmed ids, enqueue

What is decided, without I/O:

lane_state          what a lane does next: renew, claim, send, give up, settle
outbox_buffer       the rows of a lane in memory, and what is decided about each
in_flight           the window of publications without a result, and which are overdue
unsettled_rows      rows to be deleted, quarantined or released, until the database knows
retry_policy        when a publication that was not taken is retried, or given up
poll_schedule       when to poll the outbox

What carries it out:

lane                claims, publishes and settles one kind of rows over one connection
leased_rows         claims, renews and settles rows in the database
publisher           publishes to one exchange, collects the result of each publication
event_log_restorer  declares what events are published to, again if it was deleted
fault_attribution   whether the end of a channel is the fault of something published
publication_metrics  results of publications as metrics and log lines
outbox_cleanup      deletes stale replies, counts what waits for a retry
"""
