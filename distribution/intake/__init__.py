"""Messages come in: each becomes a contact, is recognised, closes one, or is parked with its reason.

batch                a batch of messages in one transaction
decoder              a message becomes a command, within what its sender may do
process_commands     what a batch asks for: submissions, then closings
submit               submissions become contacts
idempotency          which contact a submission asks for again
dedupe_window        the same enquiry under another key is the same contact
sender_rules         what senders of messages may do
parking              messages that could not be processed, kept whole
identifier_salvage   what a message names that could not be decoded
parked_properties    a parked message's properties, kept and shown
parked_admin         parked messages as admins read, replay and drop them
replay               parked messages are processed again
replies              the outcome for senders who asked for it
disclosure           what a bot is told: what it sent itself
lead_renormalization  phones and e-mails of known leads, normalized by the current rule
"""
