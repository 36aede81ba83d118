"""The outbox relay: rows are published until the broker confirms them, then deleted.

relay               three lanes: events, events that were not taken, replies
lane                claims, publishes and settles one kind of rows over one connection
outbox_buffer       the rows of a lane in memory, and what is decided about each
in_flight           what is on its way, and what has waited too long for its confirmation
retry_policy        when a publication that was not taken is retried, or given up
poll_schedule       when to look into the outbox
leased_rows         the outbox rows that this worker holds: claimed, renewed, deleted
publisher_pool      the channels over which a lane publishes
publisher           publishes to one exchange, reports the result of each publication
fault_attribution   whether the end of a channel is the fault of something published
outcome_reporter    results of publications as metrics and log lines
"""
