"""What a worker stores of its executions, and reads of what others have stored."""
