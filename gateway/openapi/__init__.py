"""The OpenAPI document, as data: one module a resource, with parts and schemas that they share.

A new route is one block in the `PATHS` of its module; tests hold routes and document to each other.
"""
