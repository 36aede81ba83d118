"""Contacts get operators: what every use case decides with, inside the caller's transaction.

unit_of_work       one transaction's decisions: made in memory over the locked pool, written at once
decision_recorder  the steps, decisions and events of it
waiting_queue      waiting contacts, the oldest first
result             what a transaction came to, for who acknowledges and publishes
assign_waiting     waiting contacts get the places that became free
close              contacts are closed, and their places filled
reassignment       contacts that people move
load_correction    loads that are wrong are counted again
event_loop_yield   other tasks have their turn while many operators are looked at
"""
