"""`contacts-worker`: the worker's commands for people.

main     the commands
options  options that take one of a few words
outcomes what becomes of published messages
tools    settings, database and broker for one command; errors in one line
check    counters against the truth
parked   messages that could not be processed
publish  messages to `contacts`
watch    events as they leave
"""
