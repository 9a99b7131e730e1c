"""The function that reports the end of an execution to a client's URL."""
