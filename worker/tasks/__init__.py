"""Tasks: the server's offers, and this worker's claims and their leases."""
