"""Longer measurements of one property each, with tables of their own."""
