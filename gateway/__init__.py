"""The HTTP side: accepts executions and shows them to clients; keeps no state that matters."""
