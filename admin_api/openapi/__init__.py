"""The OpenAPI 3.1 document, built from the declarations of the operations.

document      the whole document
operation     one operation: parameters, body, responses, roles
schemas       shapes and bodies as JSON schema
problems      error responses that all operations share
descriptions  what is in no declaration: examples, descriptions of parameters and headers
"""
