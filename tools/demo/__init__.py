"""The crash-and-resume story with a verdict: `python -m tools.demo`, or `make demo`."""
