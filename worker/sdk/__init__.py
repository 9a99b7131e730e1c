"""One client of the SDK: its threads, which it has no public names for, and how they end."""
