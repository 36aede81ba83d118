"""What admins manage and view.

operators, sources, contacts, leads   managed and shown
contact_history  what happened to a contact and why
backlog          pending work: waiting contacts, parked messages, events
stats            loads and the backlog
consistency      counters against the rows they count, and their repair
"""
