"""Kills workers and the gateway, and judges the result: `python -m tools.demo`, or `make demo`."""
