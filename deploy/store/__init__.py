"""Additions to the server's own database schema."""
