"""Offers of the server, and what this worker has claimed of them."""
