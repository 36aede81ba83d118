"""Request bodies, queries, response bodies and serializers, one file per noun.

common  what several nouns share
operators, sources, contacts, leads, parked, stats, audit   the nouns
"""
