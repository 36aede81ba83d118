"""The business of Contact Distribution: it knows no broker and no HTTP.

release             the number of this release
settings            what both processes read from the environment
startup             how both processes start, or report in one line why they cannot
logs                one log, for people and for machines
errors              what can go wrong
tls_errors          what caused a connection error, what a TLS error means
ids                 time-ordered ids of contacts and events
backoff             pauses between attempts that grow as long as the attempts fail
normalize/          phone numbers and e-mail addresses in their normal form
schedules/          operators' working hours; pure
terminal            text from outside, made harmless for a terminal
reply_queues        the queues that replies may go to
event_shapes        the shapes of events
events              what is published to subscribers: CloudEvents
messages/           the wire contract of what comes in: bodies, CloudEvents, keys
selection/          who gets a contact; pure
store/              tables, transactions, queries
optimistic_locking  who edits, and which version of the object they expect
audit               who changed what, when
allocation/         contacts get operators, waiting ones too
admin/              what people manage and look at
intake/             messages come in: submitted, recognised, closed or parked
backlog_metrics     the backlog for Prometheus, in both processes
"""
