"""Slots: each runs one execution at a time, with its own client of the SDK."""
