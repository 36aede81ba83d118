"""The AsyncAPI 3.0 document of what bots publish and subscribers receive, built from the shapes that the code uses.

document  the whole document
channels  exchanges, routing keys, queues, and what is sent and received there
messages  every message with its schema
examples  one example of each message, built by the code that builds the real ones
"""
