"""Breaks everything that can break while contacts are processed, and judges the result.

plan              how much, how often, from which seed
bot, subscriber   clients that record what they sent and received
workers           the processes under test, killed again and again
worker_process    the worker, which ends itself at an armed point
hostile_parties   parties that harm others if the worker lets them
admin_client      an admin who closes contacts and changes limits beside the workers
gather_facts      reads what the database and the broker hold after a run
reconnecting_channel   a client's channel that reconnects
faults            what is done to the broker and the database
limit_trigger     a database trigger that records every excess over an operator's limit
judge             what must hold afterwards
mutants           faults in copies of the code that the judge must see
source_copy       a copy of the code for a run
chaos_run         one run of all that
"""
