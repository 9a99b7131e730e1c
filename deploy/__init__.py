"""What production mounts: the configuration of the Resonate server, and what tends its store."""
