"""How a request is handled.

operation            how a route is declared: method, path, roles, body, query, responses
endpoint             handles a request, from its token to its response
app_context          what every request needs
auth                 tokens and roles
token_guessing       wrong tokens are slowed down and logged
parsing              reads the id in the path, the query, the body
cursor               where the next page of a list starts
etag                 ETag and If-Match
assign_after_change  assigns the waiting contacts that a change leaves to assign
problems             every error as application/problem+json
metrics              requests counted and timed
"""
