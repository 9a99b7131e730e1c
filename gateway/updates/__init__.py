"""How news of an execution reaches the clients that wait for it."""
