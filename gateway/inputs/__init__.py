"""What clients send: read as JSON, and checked against the catalog."""
