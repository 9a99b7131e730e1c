"""The only room that asks the Resonate server."""
