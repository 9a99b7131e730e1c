"""What a worker counts, and the small listener where it is asked for that."""
