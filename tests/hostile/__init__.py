"""Sends malformed and abusive messages, and checks that each became a contact or a parked row.

generator  messages from a seed
sender     writes them to the connection, byte for byte
attack     one run against a worker: messages sent, messages settled, memory
http_attacks  slow, guessing and endless clients of the HTTP API
http_figures  how each attack affects an honest client
baseline_server  a server without limits to compare with
"""
