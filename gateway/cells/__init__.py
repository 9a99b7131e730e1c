"""Requests that another cell answers, and the list of all cells."""
