"""The OpenAPI document of this gateway, and the page at /docs.

Each file that is named after one of `gateway.api` returns the paths of its routes; tests hold the
routes and the document to each other. Schemas come from the structs that declare the bodies.
"""
