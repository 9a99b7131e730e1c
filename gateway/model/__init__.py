"""What an execution is, as clients see it. Pure: no I/O, no clock."""
