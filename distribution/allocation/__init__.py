"""Assigns contacts to operators, inside the caller's transaction.

allocator           one transaction's decisions: made in memory over the locked pool, written together
decision_recorder   records its steps, decisions and events
waiting_queue       waiting contacts, the oldest first
transaction_result  the result of a transaction, for the code that acknowledges and publishes
assign_waiting      gives waiting contacts the places that became free
close               closes contacts and fills their places
reassignment        moves contacts by hand, or away from an operator who leaves
load_correction     corrects wrong loads by counting again
event_loop_yield    yields to other tasks while many operators are examined
"""
