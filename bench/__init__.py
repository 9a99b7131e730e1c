"""Measurements, as ratios within one run: absolute figures drift with the machine."""
