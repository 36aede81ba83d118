"""Process 2: the business over HTTP.

app         the application: its routes, what wraps them, what ends with it
operations  how a route is declared: method, path, roles, body, query, answers
endpoint    what happens to a request: who asks, for what, is it well-formed, then the handler
routes      the operations, one file per noun
schemas     what comes in; shapes: what goes out
auth        tokens and roles
errors      every error as application/problem+json
changes     transactions that are repeated when they lose a race, and the waiting contacts that they serve
"""
