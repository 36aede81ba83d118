"""From a delivery to its acknowledgement.

consumer               takes deliveries of one risk class at a time, makes batches
context                what the components that take work in have in common
prefetch               how many deliveries to ask for
delivery_buffer        deliveries of a channel: not processed yet, not acknowledged yet
delivery_conversion    a delivery as a message of the domain
delivery_settler       commits batches, then acknowledges; retries what failed
batch_committer        commits one batch: retried, split around locks and failing messages
batch_progress         what was committed of a batch, and what is left
refused_reply_to       counts and logs messages whose reply_to may not be used
locked_sources         deliveries set aside because their source is locked
lock_wait_monitor      whether one transaction keeps a lock for long, or many take turns
watchdog               checks that messages are really consumed
dead_letter_channel    gets messages from contacts.dead, few at once
dead_letter_collector  contacts.dead → parked messages
death_reason           why the broker dead-lettered a message, in words
"""
