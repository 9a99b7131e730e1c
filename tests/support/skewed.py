"""A process whose clock is wrong: `python -m tests.support.skewed`, with SKEW and MODULE set."""

from __future__ import annotations

import os
import runpy
import time

if __name__ == "__main__":
    right, skew = time.time, float(os.environ["SKEW"])
    time.time = lambda: right() + skew
    runpy.run_module(os.environ["MODULE"], run_name="__main__", alter_sys=True)
