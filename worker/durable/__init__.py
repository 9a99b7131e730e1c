"""Durable functions: what their authors use, and how their bodies and steps run."""
