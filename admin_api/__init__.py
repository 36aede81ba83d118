"""Process 2: the business over HTTP.

app         the application: its routes, what wraps them, what ends with it
operations  how a route is declared: method, path, roles, body, query, answers
routes      the operations, one file per noun
endpoint    what happens to a request: who asks, for what, is it well-formed, then the handler
incoming    reads the id in the path, the query, the body
schemas     what comes in
shapes      what goes out, made in showing
reports     stats and audit, shapes and all
tags        ETag and If-Match
cursors     where a list goes on
auth        tokens and roles
guessing    wrong tokens slowed down and logged
errors      every error as application/problem+json
changes     changes: who asks, the transaction, the waiting contacts served after it
openapi     the OpenAPI document, made from the operations
docs_page   our part of the page that shows it
context     what every request needs
metrics     requests counted and timed
readiness   whether the database can be used
"""
