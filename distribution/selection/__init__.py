"""Picks the operator of a contact: pure functions over a pool; no I/O, no clock, randomness is passed in.

pool                    operators and sources as one transaction sees them
strategies              pick one of the eligible operators
decision_record         a pool and its changes as recorded data; a replay returns the same picks
deficit_redistribution  adjusts deficits after an operator has left a `smooth_weighted` source
explain                 describes a decision in words and data
"""
