"""The admin API process: the business over HTTP.

app         the application: its routes, what wraps them, what ends with it
settings    what it reads from the environment
http/       how a request is authenticated, parsed, run and answered
routes/     the operations, one file per noun
models/     request and response bodies, their serializers, one file per noun
openapi/    the OpenAPI document, made from the operations
asyncapi/   the AsyncAPI document, made from the shapes of messages and events
docs_page/  our part of the pages that show them
readiness   whether the database can be used
"""
