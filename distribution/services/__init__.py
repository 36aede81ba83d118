"""One file per use case; each function works inside the caller's transaction unless it says otherwise.

waiting     the line of waiting contacts
ledger      one transaction's decisions: decided in memory, written at once
submit      submissions become contacts
known       which contact a submission asks for again
dedupe      the same enquiry under another key is the same contact
close       contacts are closed, their places filled
moves       contacts that people move
loads       loads that are wrong are counted again
pauses      other tasks have their turn while operators are looked at
process     what a batch of messages asks for, done in one transaction
serve       waiting contacts get the places that became free
intake      a batch of messages: contacts, duplicates and parked messages in one transaction
park        messages that could not be processed, kept whole
named       what a message names that is not understood
properties  a parked message's properties, kept and shown
replay      parked messages are tried again
senders     what senders of messages may do
replies     the outcome for senders who asked for it
disclosure  what a bot is told: what it sent itself
history     what happened to a contact and why
parked      parked messages as admins read, replay and drop them
operators, sources, contacts, leads   what the admin API manages and shows
edits       who edits, and which version of the object they saw
audit       who changed what, when
backlog     what has still to be done: waiting contacts, parked messages, events to publish
stats       loads and the backlog
check       counters against the truth, and their repair
"""
