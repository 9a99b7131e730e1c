"""Runs executions in memory and in virtual time, as workers and the server do together."""
