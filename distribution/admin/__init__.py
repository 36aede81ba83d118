"""What people manage and look at.

operators, sources, contacts, leads   managed and shown
contact_history                       what happened to a contact and why
backlog                               what is still to be done: waiting contacts, parked messages, events
stats                                 loads and the backlog
consistency                           counters against the rows they count, and their repair
"""
