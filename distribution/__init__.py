"""The business of Contact Distribution: it knows no broker and no HTTP.

settings    what both processes read from the environment
errors      what can go wrong, one stable code each
ids         time-ordered ids of contacts and events
normalize   the one spelling of a phone number and of an e-mail address
terminal    text from outside, made harmless for a terminal
messages    the wire contract of what comes in: bodies, CloudEvents, keys
reply_queues  the queues that replies may go to
selection   who gets a contact; pure
store       tables, transactions, queries
services    one file per use case
gauges      the backlog for Prometheus, in both processes
"""
