"""The worker process: consumes messages from RabbitMQ, publishes events to it.

app                what runs beside what, signals, the order of stopping
settings           what it reads from the environment
bot_users          the setting BOT_USERS
broker/            connection, topology, TLS, channels
consume/           deliveries are decoded, committed in batches, acknowledged
publish/           the outbox relay: events and replies, with publisher confirms
topology_monitor   declares deleted queues and exchanges anew, measures queues
periodic_tasks     retries deferred messages, assigns waiting contacts that were missed
lead_renormalizer  renews normalized phones and e-mails of leads after an upgrade
database_outage    pauses between retries while the database is unavailable
incident_log       one log line for each incident, not for each time
failpoints         where a delivery and an event stand, for failure tests to hook into
aio                waiting for events, whose cancellation it is
readiness          what keeps components from their work, and what to look at
metrics            what is measured, for Prometheus
health             /healthz, /readyz, /metrics
cli/               contacts-worker, for people
"""
