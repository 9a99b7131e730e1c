"""Delivers signals: which number a value gets, and how a repeat is known."""
