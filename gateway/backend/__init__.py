"""The only package that calls the Resonate server."""
