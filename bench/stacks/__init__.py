"""The services that are measured: how each is started, and what its processes use."""
