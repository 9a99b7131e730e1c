"""Runs the whole service without containers: `python -m tools.run`, or `make run`."""
