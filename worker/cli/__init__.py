"""`contacts-worker`: the command line tool.

main            the commands
choices         options that take one of a closed set of words
session         settings, database and broker for one command; one-line errors
consistency     counters against the rows they count
parked          messages that could not be processed
publish         publishes messages to `contacts`
reply_receiver  the outcomes of published messages
watch           events as they are published
"""
