"""Breaks everything that can break while contacts go through, and judges what is left.

plan             how much, how often, from which seed
bot, subscriber  clients that remember
workers          the processes under test, ended again and again
worker_process   the worker, which ends itself at an armed point
abuse            parties that harm others if the worker lets them
office           an admin who closes contacts and changes limits beside the workers
faults           what is done to the broker and the database
excesses         moments at which an operator was over the limit, noted by the database
judge            what must hold afterwards
planted          faults in copies of the code that the judge must see
copied           the code of a run
campaign         one run of all that
"""
