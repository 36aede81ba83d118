"""The worker process: consumes messages from RabbitMQ, publishes events to it.

app                the components, signals, the order of stopping
settings           settings from the environment
bot_users_setting  the setting BOT_USERS
broker/            connection, topology, TLS, channels
consume/           deliveries are decoded, committed in batches, acknowledged
publish/           the outbox relay: events and replies, with publisher confirms
topology_monitor   declares deleted queues and exchanges again, measures queues
retry_and_sweep    retries deferred messages, assigns waiting contacts that were missed
lead_renormalizer  recomputes normalized phones and e-mails of leads after an upgrade
database_outage    pauses between retries while the database is unavailable
incident_log       one log line per incident, not per occurrence
failpoints         points in the path of a delivery or an event that failure tests hook into
aio                waiting for events; telling our own cancellation from the library's
readiness          problems that make the worker unready, and details for operators
metrics            Prometheus metrics
health             /healthz, /readyz, /metrics
cli/               the command line tool contacts-worker
"""
