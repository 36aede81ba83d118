"""Sends what no decent client would, and counts that each message became a contact or a parked row.

generator  messages from a seed
sender     puts them onto the wire, bytes as they are
attack     one run beside a worker: sent, settled, memory
http_attacks  slow, guessing and endless clients of the HTTP API
http_figures  what an honest client notices of each
baseline_server  a server without limits to compare with
"""
