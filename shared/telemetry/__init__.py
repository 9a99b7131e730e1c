"""Traces: what requests and executions have done, sent to a collector of OpenTelemetry."""
