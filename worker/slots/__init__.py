"""A slot runs one execution at a time, with a client of the SDK of its own."""
