"""Breaks everything that can break while contacts go through, and judges what is left.

plan              how much, how often, from which seed
bot, subscriber   clients that remember
workers           the processes under test, ended again and again
worker_process    the worker, which ends itself at an armed point
hostile_parties   parties that harm others if the worker lets them
admin_client      an admin who closes contacts and changes limits beside the workers
gather_facts      what the database and the broker hold after a run
reconnecting_channel   a client's channel that outlives its connections
faults            what is done to the broker and the database
limit_trigger     moments at which an operator was over the limit, noted by the database
judge             what must hold afterwards
mutants           faults in copies of the code that the judge must see
source_copy       the code of a run
campaign          one run of all that
"""
