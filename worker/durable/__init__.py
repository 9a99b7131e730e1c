"""Durable functions: how their bodies and steps run."""
