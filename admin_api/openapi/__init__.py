"""The OpenAPI 3.1 document, made from the declarations of the operations.

document       the whole
operation      one operation: parameters, body, answers, who may
schemas        shapes and bodies as JSON schema
problems       what can go wrong, as shared responses
descriptions   what no declaration says: examples, descriptions of parameters and headers
"""
