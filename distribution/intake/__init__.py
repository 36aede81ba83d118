"""Incoming messages: each creates a contact, repeats one, closes one, or is parked with its reason.

batch                 a batch of messages in one transaction
decoder               decodes a message into a command, within what its sender may do
process_commands      executes the commands of a batch: submissions, then closings
submit                creates contacts from submissions
idempotency           finds the contact that a repeated submission already has
payload_dedupe        the same enquiry under another key is the same contact
sender_rules          what senders of messages may do
parking               stores messages that could not be processed, unchanged
identifier_salvage    the source and contact that an undecodable message names
parked_properties     a parked message's properties: stored, restored and shown
parked_admin          lets admins list, replay and drop parked messages
replay                processes parked messages again
replies               the outcome for senders who asked for it
earlier_events        the events of earlier transactions, rebuilt for replies
disclosure            limits what a bot is shown to what it sent itself
lead_renormalization  normalizes phones and e-mails of stored leads by the current rule
"""
