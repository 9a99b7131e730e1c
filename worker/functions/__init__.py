"""Durable functions, one per file; each has an entry in `shared/catalog.py`."""
