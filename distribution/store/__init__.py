"""The database: tables, engine and transaction, plain query functions that take a connection.

tables    every table, as the newest revision has it
engine    how to connect, and the only place that commits or rolls back
onetrip   SQLite's driver with fewer changes of thread
commit    work in one transaction, repeated where it lost a race
schema    whether the database has the revision this code knows
waiting   who waits, by index alone, and how large contacts are
recount   counts what counters claim to know
rows      many values in one statement, on either database; statements are made once
"""
