"""Who gets a contact: pure functions over a pool of operators; no I/O, no clock, randomness passed in.

pool        operators and sources as they are inside one transaction
strategies  how one of the eligible operators is picked
record      a pool and what happened to it, as kept data; replaying it gives the same answers
explain     a decision in words and data
"""
