"""Benchmarks. They compare figures of one run, because absolute figures vary with the machine."""
