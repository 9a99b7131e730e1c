"""The example functions, one per file; each teaches one thing."""
