"""Starts the service if it does not run, plays every scene, exits 0 only without faults."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tools.api import from_environment, wait_for
from tools.demo import scenes
from tools.server import ROOT
from tools.stack import Containers, Local, StackError, find_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.api import Api
    from tools.demo.scenes import CrashView, Verdict
    from tools.stack import Stack

COLORS = ("cyan", "magenta", "green", "yellow", "blue")
START_SECONDS = 300.0
"""Seconds until `make run` must be ready; the first start builds the server."""


@contextlib.contextmanager
def service(api: Api, console: Console) -> Iterator[Stack]:
    """Use the running service; else start containers, which stay, or processes, which end here."""
    try:
        stack = find_stack()
    except StackError:
        if Containers.available():
            console.print("starting the containers: docker compose up --build --wait")
            containers = Containers()
            containers.up()
            yield containers
            return
        console.print("no Docker here: starting make run")
        with _processes() as local:
            if wait_for(lambda: local.running() and api.is_ready(), START_SECONDS) is None:
                raise StackError("make run did not become ready") from None
            yield local
    else:
        yield stack


@contextlib.contextmanager
def _processes() -> Iterator[Local]:
    command = [sys.executable, "-m", "tools.run"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield Local()
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def steps_table(view: CrashView) -> Table:
    """Return a table of the execution's steps, each with the worker that runs or ran it."""
    workers = sorted({step["worker"] for step in view.steps} | {view.killed} - {""})
    table = Table(title=view.id, title_justify="left", min_width=52)
    for column in ("step", "worker", "state", "seconds"):
        table.add_column(column)
    for step in view.steps:
        color = COLORS[workers.index(step["worker"]) % len(COLORS)]
        duration = _seconds(step["ended"]) - _seconds(step["started"]) if step["ended"] else None
        state = "done" if step["status"] == "resolved" else "runs"
        table.add_row(
            step["name"],
            Text(step["worker"], style=color),
            state,
            "" if duration is None else f"{duration:.1f}",
        )
    if view.killed:
        if view.resumed_after is None:
            progress = f"waiting for another worker, {time.monotonic() - view.killed_at:.1f} s"
        else:
            progress = f"another went on after {view.resumed_after:.2f} s"
        table.caption = f"{view.killed} killed; {progress}"
    return table


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print a scene's facts and faults."""
    for name, value in verdict.facts.items():
        console.print(f"  {name}: [bold]{value}[/bold]")
    for fault in verdict.faults:
        console.print(f"  [bold red]wrong:[/bold red] {fault}")
    if not verdict.faults:
        console.print("  [bold green]as promised[/bold green]")


def play_scenes(api: Api, stack: Stack, console: Console) -> list[Verdict]:
    """Play every scene and return the verdicts."""
    kill = stack.kill_command("worker-K")
    console.rule(f"1. A checkout of five steps; {kill} in the middle", align="left")
    with Live(console=console, refresh_per_second=10) as live:
        crash = scenes.kill_a_worker(api, stack, lambda view: live.update(steps_table(view)))
    print_verdict(console, crash)
    console.rule("2. The gateway is killed while an execution runs", align="left")
    gateway = scenes.kill_the_gateway(api, stack)
    print_verdict(console, gateway)
    console.rule(f"3. {scenes.BEGINS} begins with one id", align="left")
    same = scenes.begin_a_thousand_times(api, stack)
    print_verdict(console, same)
    return [crash, gateway, same]


def main() -> int:
    """Return 0 if the service kept its promises, 1 if not, 2 if it could not be started."""
    console, api = Console(highlight=False), from_environment(os.environ)
    try:
        with service(api, console) as stack:
            verdicts = play_scenes(api, stack, console)
    except StackError as error:
        console.print(f"demo: {error}")
        return 2
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
