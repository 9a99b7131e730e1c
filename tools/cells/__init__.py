"""Cells, and the map of which owns which hash slot: `python -m tools.cells`."""
