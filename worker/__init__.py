"""Process 1: RabbitMQ in, RabbitMQ out.

app        what runs beside what, signals, the order of stopping
settings   what it reads from the environment
topology   every exchange, queue and binding
lenient    odd properties must not cost the connection
addresses  the brokers of AMQP_URL, and in which order they are tried
tls        authority and certificates
link       keeps one connection to the broker
blocked    a broker that is alive and takes no publications
reasons    why a connection failed, in words
consumer   takes messages, makes batches, acknowledges
senders    what is understood of a delivery, within what its sender may do
bot_users  the setting BOT_USERS
inbox      what a channel was delivered, and how carefully to handle it
watchdog   proves that messages are consumed
upkeep     looks whether the broker's objects are there, and what the queues hold
collector  contacts.dead → parked messages
dead       takes messages from contacts.dead, few enough at once
deaths     why the broker gave a message up, in words
batches    one batch through the business: repeated, split or given up
sweeper    deferred messages that are due, waiting contacts that were missed
relay      outbox → assignments, with confirms
window     what is on its way to the broker, and what became of it
publisher  publishes to one exchange, tells what became of each publication
channels   below the client library's conveniences: no task per message
points     where a delivery and an event stand, for failure tests to watch
status     what the parts say of themselves
cli        contacts-worker, for people
health     /healthz, /readyz, /metrics
"""
