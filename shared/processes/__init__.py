"""This process for the machine that it runs on: its memory, its forks, its signals."""
