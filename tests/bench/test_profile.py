"""Which group a sampled stack counts for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.parts.profile import GATEWAY, REST, WORKER, Profile, group_of
from tests.support.processes import ROOT

LOOP = "run (asyncio/runners.py:86)"


@pytest.mark.parametrize(
    ("stack", "group"),
    [
        (f"{LOOP};data_received (/x/site-packages/aiohttp/web_protocol.py:438)", "aiohttp"),
        (f"{LOOP};wait ({ROOT}/gateway/api/executions.py:32)", "routes and answers"),
        (f"{LOOP};SmallResponse.write_eof ({ROOT}/gateway/http/answers/x.py:6)", "sending answers"),
        (f"work ({ROOT}/gateway/concurrency/threads.py:9);f (/x.py:1)", "hand-over to threads"),
        ("main (/elsewhere/program.py:1)", REST),
    ],
)
def test_a_stack_counts_for_the_innermost_known_function(stack: str, group: str) -> None:
    """Frames are looked at from the innermost one outwards."""
    assert group_of(stack, GATEWAY) == group


def test_a_process_is_profiled() -> None:
    """The shares of a process that only computes are those of its own code, and make 100 %."""
    program = "input()\nfor _ in range(60_000_000): pass\nprint(flush=True)\ninput()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with Profile(child.pid, WORKER) as profile:
                child.stdin.write(b"\n")
                child.stdin.flush()
                child.stdout.readline()
        except RuntimeError as error:
            if "ermission" in str(error):
                pytest.skip(f"no process may look at another one here: {error}")
            raise
        child.communicate(b"\n", timeout=60)

    assert profile.shares()[f"share_{REST}"] == pytest.approx(100)
