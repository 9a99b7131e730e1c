"""Connections to the gateways, on which this worker says what it holds."""
