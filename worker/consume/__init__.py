"""From a delivery to its acknowledgement.

consumer                takes deliveries in lanes, makes batches
prefetch                how many deliveries to ask for
delivery_buffer         what a channel was delivered, and what is owed an acknowledgement
delivery_conversion     a delivery as a message of the business
delivery_decoder        what a sender may do
delivery_processor      commits batches, then acknowledges; retries what failed
batch_processor         one batch through the business: retried, split around locks and culprits
batch_progress          what was committed of a batch, and what is left
locked_sources          deliveries that wait because their source is locked
lock_wait_monitor       whether one transaction keeps a lock, or many take turns
watchdog                proves that messages are consumed
dead_letter_channel     takes messages from contacts.dead, few at once
dead_letter_collector   contacts.dead → parked messages
death_reason            why the broker gave a message up, in words
"""
