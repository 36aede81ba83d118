"""The outbox relay: rows are published until the broker confirms them, then deleted.

relay        three lanes: events, retried events, replies
relay_inbox  what the consumer hands over, and borrows

Decisions, without I/O:

lane_state_machine  what a lane does next: renew, claim, send, give up, settle
outbox_buffer       the rows of a lane in memory, and the decision about each
in_flight           publications without a result yet, and which are overdue
unsettled_rows      rows to be deleted, quarantined or released, until that is committed
retry_policy        when a failed publication is retried, or given up
poll_schedule       when to poll the outbox

Execution:

lane                  claims, publishes and settles one kind of rows over one connection
leased_rows           claims, renews and settles rows in the database
publisher             publishes to one exchange, collects the result of each publication
event_log_redeclarer  declares exchange and event log, again if the log was deleted
fault_attribution     whether a publication caused the end of a channel
publication_metrics   results of publications as metrics and log lines
outbox_housekeeping   deletes stale replies, counts what waits for a retry
"""
