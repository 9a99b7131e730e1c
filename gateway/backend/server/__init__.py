"""What the server is asked besides executions."""
