"""Files that production mounts: the Resonate server's configuration, and scripts for its store."""
