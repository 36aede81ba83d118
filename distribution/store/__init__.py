"""The database: tables, engine and transactions, plain query functions that take a connection.

tables                   every table, as the newest revision has it
column_types             column types of our own
engine                   makes and closes the connections to a database
transactions             the only place that commits or rolls back
sqlite_engine            connections to SQLite: WAL, every commit on disk, one writer at a time
database_address         how DATABASE_URL is read, and what may be shown of it
libpq                    libpq's parameters in it, as the driver takes them
certificates             the TLS files that it names
postgresql_engine        connections to PostgreSQL: several servers, poolers
database_requirements    whether a database can hold what we keep in it
connection_error_text    why there is no connection, in words
file_permissions         SQLite's files belong to their owner alone
sqlite_driver            SQLite's driver with fewer changes of thread
database                 a process's database: units of work, retried if they lost a race; reads
schema                   whether the database has a schema that this code runs on
schema_version           which revision it has, and which programs run on it, as the database records it
broker_queue_depths      how many messages the broker's queues held when a worker last measured
lock_waits               how long to wait for locks, and what is locked
outbox                   what has to be published
outbox_leases            who publishes which rows of it, and until when
clock                    the database's own clock
dedupe_keys              further keys of contacts, and the newest contact of each payload
waiting_contacts         which contacts wait, read from the index alone, and how large contacts are
consistency              recounts the rows that counters count
bulk                     many rows in one statement, which is built once
dialects                 what is written differently on PostgreSQL and on SQLite
pagination               one page of a list, bounded in rows and bytes
bounded_payloads         contacts as lists show them, payloads up to a total
contact_states           contacts without their payloads, before they are locked
db_errors                what a failed transaction means, and its description
operator_pool            locks and reads the operators and sources that a transaction decides over
decisions                a row per change, with its reason
outdated_normalizations  leads whose phone or e-mail an older rule normalized
contacts, leads, operators, sources, weights, parked_messages   queries, one file per table
"""
