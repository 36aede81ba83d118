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
consumer   takes messages in lanes, makes batches
prefetch   how many messages to ask for
inbox      what a channel was delivered, and what is owed an acknowledgement
incoming   a delivery as a message of the business
senders    what is understood of a delivery, within what its sender may do
bot_users  the setting BOT_USERS
settling   commits, then acknowledges; tries again what failed
aside      what waits because its source is locked
outage     pauses while the database does not do its part
watchdog   proves that messages are consumed
upkeep     looks whether the broker's objects are there, and what the queues hold
collector  contacts.dead → parked messages
dead       takes messages from contacts.dead, few enough at once
deaths     why the broker gave a message up, in words
batches    one batch through the business: repeated, split around locks and culprits
parts      what was committed of a batch, and what is left
lockwait   whether a lock is kept by somebody or wanted by many in turn
spelling   phones and e-mails of leads that an older rule spelled, spelled anew
sweeper    deferred messages that are due, waiting contacts that were missed
relay      outbox → broker, with confirms: three lanes
lane       one lane: claims, publishes and settles one kind of rows
hand       what a lane has in hand, and what is decided about each publication
flights    what is in flight, and what has waited too long for its confirmation
tries      when what was not taken is tried again, or given up
blame      whether the end of a channel is the fault of something published
looks      when to look into the outbox
rows       the outbox rows that this worker holds
window     the channels over which a lane publishes
publisher  publishes to one exchange, tells what became of each publication
outcomes   what became of publications, as metrics and log lines
incidents  one log line for each incident
channels   below the client library's conveniences: no task per message
points     where a delivery and an event stand, for failure tests to watch
status     what the parts say of themselves
cli        contacts-worker, for people
health     /healthz, /readyz, /metrics
"""
