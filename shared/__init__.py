"""What gateway and worker both need: settings, logging, the SDK client, names on the wire."""
