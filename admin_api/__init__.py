"""The admin API process: the business logic over HTTP.

app         the application: routes, middleware, lifespan
settings    what it reads from the environment
http/       how a request is authenticated, parsed, handled and answered
routes/     the operations, one file per noun
models/     request and response bodies, their serializers, one file per noun
openapi/    the OpenAPI document, built from the operations
asyncapi/   the AsyncAPI document, built from the shapes of messages and events
docs_page/  our files of the pages that show these documents
readiness   whether the database can be used
"""
