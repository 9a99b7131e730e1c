"""The HTTP side: accepts executions, tells of them, and keeps nothing that matters."""
