"""The stack that we are compared with: FastAPI, the stock Resonate SDK, and plain functions."""
