"""Who gets a contact: pure functions over a pool of operators; no I/O, no clock, randomness passed in.

pool           operators and sources as they are inside one transaction
strategies     how one of the eligible operators is picked
decision_record  a pool and what happened to it, as recorded data; a replay returns the same picks
deficit_redistribution  what operators are owed after one has left a `smooth_weighted` source
explain        a decision in words and data
"""
