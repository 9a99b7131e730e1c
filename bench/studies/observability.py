"""Measures what metrics cost a gateway: `python -m bench observability`.

Two gateways of one server, of which one counts, take the same begins in turns, so that what the
machine does beside it meets both.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.loads.loops import closed_loop
from bench.parts.part import CLIENTS, begin_request
from tests.support.stack import running_stack
from tests.support.usage import cpu_seconds

if TYPE_CHECKING:
    from tests.support.stack import Stack

ROUNDS: Final = 15
ROUND_SECONDS: Final = 2.0


def measured(stack: Stack, url: str, name: str) -> tuple[float, float]:
    """Return begins a second, and the gateway's CPU time for each in microseconds."""
    split = urlsplit(url)
    gateway = stack.gateways[name].pid
    before = cpu_seconds(gateway)
    outcome = closed_loop(
        [(split.hostname or "", split.port or 80)],
        itertools.repeat(begin_request()),
        clients=CLIENTS,
        seconds=ROUND_SECONDS,
    )
    used = cpu_seconds(gateway) - before
    return outcome.good / outcome.seconds, used / max(outcome.good, 1) * 1e6


def main(rounds: int = ROUNDS) -> None:
    """Print the medians of both, and what counting costs."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
    ):
        urls = {
            "on": stack.add_gateway("on", METRICS="on"),
            "off": stack.add_gateway("off", METRICS="off"),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in urls}
        for number in range(rounds + 1):
            # Who is first changes, since the store grows.
            for name in sorted(urls, reverse=bool(number % 2)):
                figure = measured(stack, urls[name], name)
                if number:  # the first round is to warm up
                    found[name].append(figure)
    print("metrics", "begins/s", "CPU of the gateway, µs", sep="\t")
    medians = {}
    for name, figures in found.items():
        rate, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        medians[name] = rate, cpu
        print(name, f"{rate:.0f}", f"{cpu:.1f}", sep="\t", flush=True)
    lost = 1 - medians["on"][0] / medians["off"][0]
    more = medians["on"][1] / medians["off"][1] - 1
    print(f"begins/s lost: {lost:.1%}\tmore CPU for each: {more:.1%}")
