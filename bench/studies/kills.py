"""Measures whether deaths leave anything behind: `python -m bench kills`.

One of three workers is killed again and again at random moments, while executions are begun. For
each tenth of the kills it prints what the gateway and a worker that lives have: memory, threads,
open files and sockets. At the end it prints what became of the executions.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.faults.load import begins
from tests.support.faults.presence.seen import deaths, mistakes, wait_until_seen
from tests.support.stack import Stack, running_stack
from tests.support.usage import resident_mib

if TYPE_CHECKING:
    from tests.support.processes import Process

KILLS = 200
WINDOWS = 10
RATE = 50
"""Begins a second."""

CHECKOUTS = 3
PACE = 0.1
"""Checkouts that are begun before each kill, and seconds of each of their five steps."""

SEED = 1


@dataclass(frozen=True)
class Held:
    """What one process has."""

    mib: float
    threads: int
    files: int
    sockets: int

    def __str__(self) -> str:
        return f"{self.mib:.0f} MiB\t{self.threads}\t{self.files}\t{self.sockets}"


def held(process: Process) -> Held:
    """Return what a process has now."""
    root = Path(f"/proc/{process.pid}")
    open_files = [str(each.readlink()) for each in (root / "fd").iterdir() if each.is_symlink()]
    return Held(
        resident_mib(process.pid),
        len(list((root / "task").iterdir())),
        len(open_files),
        sum(name.startswith("socket:") for name in open_files),
    )


def kill(stack: Stack, victim: Process, number: int, chance: random.Random) -> list[str]:
    """Kill a worker at a random moment, start it again, and return the checkouts of meanwhile."""
    ids = [f"checkout-{number}-{n}" for n in range(CHECKOUTS)]
    for id in ids:
        stack.begin(id, "checkout", {"pace": PACE})
    time.sleep(chance.uniform(0, 4 * PACE))
    victim.kill()
    victim.start()
    victim.started("stream opened")
    return ids


def main(kills: int = KILLS) -> None:
    """Kill, and print a line for each tenth."""
    chance, ids = random.Random(SEED), []
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory)) as stack:
        victim, *others = stack.workers.values()
        watched = [stack.gateways["gateway"], others[0]]
        print("kills", *("memory\tthreads\tfiles\tsockets" for _ in watched), sep="\t")
        with begins(stack, "beside", RATE) as begun:
            print(0, *map(held, watched), sep="\t", flush=True)
            for number in range(1, kills + 1):
                ids += kill(stack, victim, number, chance)
                if number % (kills // WINDOWS) == 0:
                    wait_until_seen(stack)
                    print(number, *map(held, watched), sep="\t", flush=True)
        states = Counter(stack.outcome(id, 60)["status"] for id in (*ids, *begun))
        print("executions", dict(states), sep="\t")
        print("deaths", len(deaths(stack)), "mistakes", len(mistakes(stack)), sep="\t")
