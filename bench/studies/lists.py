"""Measures begins beside clients that list and poll: `python -m bench lists`.

The store is filled with 300,000 finished executions. Then hey begins executions
with 8 clients, in turn alone and beside 8 other clients that list by every filter and poll an id
with `_`, without a pause. For each round it prints both rates and both p99, and their ratios.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.filled_store import copy_execution
from tests.support.stack import SHIPPED_MODULES, Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

EXECUTIONS = 300_000
ROUNDS = 5
BEGINS = 1_500
CLIENTS = 8
POLLED = "order_wait"
TARGETS = (
    "/list?function=fanout",
    "/list?status=pending",
    "/list?status=timedout",
    "/list?prefix=zzz",
    "/list?prefix=order_9",
    "/list?limit=200",
    f"/wait?id={POLLED}",
    f"/wait?id={POLLED}",
)
LOAD_SECONDS = 60
"""Seconds after which the clients that list and poll would end by themselves."""

NICENESS = 5
"""Niceness of these clients: they stand for other machines."""

PAUSE_SECONDS = 2.0
"""Seconds between two measurements, in which workers finish what was begun."""


@dataclass(frozen=True)
class Begins:
    """What hey measured: begins a second and the 99th percentile in seconds."""

    rate: float
    p99: float


@dataclass(frozen=True)
class Round:
    """Begins alone and beside the load, and what hey reported of each client of the load."""

    alone: Begins
    beside: Begins
    reports: list[str]

    @property
    def rate_ratio(self) -> float:
        return self.beside.rate / self.alone.rate

    @property
    def p99_ratio(self) -> float:
        return self.beside.p99 / self.alone.p99


def begins(stack: Stack) -> Begins:
    """Begin executions with `CLIENTS` clients."""
    command = ["hey", "-n", str(BEGINS), "-c", str(CLIENTS), "-m", "POST", f"{stack.url}/begin"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    accepted = re.search(r"\[202\]\s+(\d+) responses", report)
    if accepted is None or int(accepted[1]) < BEGINS - CLIENTS or len(_statuses(report)) != 1:
        raise RuntimeError(f"not all begins were accepted: {_statuses(report)}")
    return Begins(_number(r"Requests/sec:\s+([\d.]+)", report), _number(r"99% in ([\d.]+)", report))


@contextmanager
def load(stack: Stack) -> Iterator[list[subprocess.Popen[str]]]:
    """List and poll, one client for each target, until the block ends."""
    command = ["nice", "-n", str(NICENESS), "hey", "-z", f"{LOAD_SECONDS}s", "-c", "1"]
    clients = [
        subprocess.Popen([*command, stack.url + target], stdout=subprocess.PIPE, text=True)
        for target in TARGETS
    ]
    try:
        time.sleep(1)
        yield clients
    finally:
        for client in clients:
            client.send_signal(signal.SIGINT)  # hey prints its report


def _statuses(report: str) -> dict[str, str]:
    return dict(re.findall(r"\[(\d{3})\]\s+(\d+) responses", report))


def _number(pattern: str, report: str) -> float:
    found = re.search(pattern, report)
    if found is None:
        raise RuntimeError(f"hey did not report {pattern}")
    return float(found[1])


def main(executions: int = EXECUTIONS) -> None:
    """Run all rounds and print a table."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=2, modules=SHIPPED_MODULES) as stack,
    ):
        stack.begin("template")
        stack.outcome("template")
        copy_execution(stack.server.database, "template", "order_", executions)
        stack.begin(POLLED, "approval", {"within": "1h"})
        begins(stack)
        print("alone", "beside", "ratio", "p99 alone", "p99 beside", "ratio", sep="\t")
        rounds = [_round(stack) for _ in range(ROUNDS)]
        print("median ratios:", *_medians(rounds), sep="\t")
        print("the last round's lists and polls:")
        for target, report in zip(TARGETS, rounds[-1].reports, strict=True):
            rate = _number(r"Requests/sec:\s+([\d.]+)", report)
            print(f"  {rate:.1f}/s", target, _statuses(report), sep="\t")
        missed = sum(len(w.events("leases not renewed")) for w in stack.workers.values())
        print(f"leases not renewed: {missed}")


def _round(stack: Stack) -> Round:
    time.sleep(PAUSE_SECONDS)
    alone = begins(stack)
    time.sleep(PAUSE_SECONDS)
    with load(stack) as clients:
        beside = begins(stack)
    measured = Round(alone, beside, [client.communicate()[0] for client in clients])
    rates = f"{alone.rate:.0f}/s\t{beside.rate:.0f}/s\t{measured.rate_ratio:.2f}"
    times = f"{alone.p99:.3f} s\t{beside.p99:.3f} s\t{measured.p99_ratio:.2f}"
    print(rates, times, sep="\t", flush=True)
    return measured


def _medians(rounds: list[Round]) -> tuple[str, str]:
    rate = statistics.median(measured.rate_ratio for measured in rounds)
    p99 = statistics.median(measured.p99_ratio for measured in rounds)
    return f"rate {rate:.2f}", f"p99 {p99:.2f}"
