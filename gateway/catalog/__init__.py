"""The catalog's file: read at the start, and again, without a restart, when it has changed."""
