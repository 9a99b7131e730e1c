"""Tools around the service: its server, its start without containers, its demonstration."""
