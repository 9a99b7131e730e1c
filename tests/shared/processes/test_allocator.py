"""The memory of a process whose threads have had large values in turn."""

from __future__ import annotations

from tests.support.processes import run_program

THREADS_IN_TURN = """
import re, sys, threading
from shared.processes.allocator import limit_arenas
limit_arenas()
barrier = threading.Barrier(16)
def work():
    barrier.wait()
    kept = [bytes(4096) for _ in range(100)]
    barrier.wait()
for thread in (threads := [threading.Thread(target=work) for _ in range(16)]):
    thread.start()
for thread in threads:
    thread.join()
import ctypes
ctypes.CDLL(None).malloc_stats()
"""


def test_threads_share_few_arenas() -> None:
    """However many threads allocate, there are two arenas."""
    done = run_program(THREADS_IN_TURN)

    assert (done.returncode, done.stderr.count("Arena ")) == (0, 2), done.stderr
