"""The AsyncAPI 3.0 document of what bots publish and subscribers receive, made from the shapes that the code uses.

document   the whole
channels   exchanges, routing keys, queues, and what is sent and received there
messages   every message with its schema
examples   one example of each message, written by the code that writes the real ones
"""
