"""`contacts-worker`: the worker's commands for people.

main      the commands
options   options that take one of a closed set of words
session   settings, database and broker for one command; errors in one line
check     counters against the rows they count
parked    messages that could not be processed
publish   messages to `contacts`
replies   outcomes of published messages
watch     events as they leave
"""
