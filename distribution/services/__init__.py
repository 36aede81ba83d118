"""One file per use case; each function works inside the caller's transaction unless it says otherwise.

ledger      one transaction's decisions: decided in memory, written at once
submit      submissions become contacts
serve       waiting contacts get the places that became free
intake      a batch of messages: contacts, duplicates and parked messages in one transaction
parked      messages that could not be processed, kept whole
operators, sources, contacts, leads   what the admin API manages and shows
"""
