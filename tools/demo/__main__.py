"""Start the service if need be, show every scene, and exit 0 only if all of it was right."""

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

from tools.api import of_environment, wait_for
from tools.demo import scenes
from tools.server import ROOT
from tools.stack import Containers, Local, StackError, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.api import Api
    from tools.demo.scenes import Moment, Verdict
    from tools.stack import Stack

COLORS = ("cyan", "magenta", "green", "yellow", "blue")
START_SECONDS = 300.0


@contextlib.contextmanager
def service(api: Api, console: Console) -> Iterator[Stack]:
    """Use what is running; else start containers, which stay, or processes, which do not."""
    try:
        stack = find()
    except StackError:
        if Containers.available():
            console.print("starting the containers: docker compose up --build --wait")
            containers = Containers()
            containers.up()
            yield containers
            return
        console.print("no Docker here: starting the processes of make run")
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


def drawing(moment: Moment) -> Table:
    """Draw the execution's steps, each with the worker that runs or ran it."""
    workers = sorted({step["worker"] for step in moment.steps} | {moment.killed} - {""})
    table = Table(title=moment.id, title_justify="left", min_width=52)
    for column in ("step", "worker", "state", "seconds"):
        table.add_column(column)
    for step in moment.steps:
        color = COLORS[workers.index(step["worker"]) % len(COLORS)]
        took = _seconds(step["ended"]) - _seconds(step["started"]) if step["ended"] else None
        state = "done" if step["status"] == "resolved" else "runs"
        table.add_row(
            step["name"],
            Text(step["worker"], style=color),
            state,
            "" if took is None else f"{took:.1f}",
        )
    if moment.killed:
        waited = moment.resumed_after
        clock = time.monotonic() - moment.killed_at if waited is None else waited
        said = "waiting for another" if waited is None else "another went on after"
        table.caption = f"{moment.killed} killed; {said} {clock:.1f} s"
    return table


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def tell(console: Console, verdict: Verdict) -> None:
    """Print a scene's facts, and its faults if it has any."""
    for name, value in verdict.facts.items():
        console.print(f"  {name}: [bold]{value}[/bold]")
    for fault in verdict.faults:
        console.print(f"  [bold red]wrong:[/bold red] {fault}")
    if not verdict.faults:
        console.print("  [bold green]as promised[/bold green]")


def play(api: Api, stack: Stack, console: Console) -> list[Verdict]:
    """Show every scene and return what they found."""
    kill = stack.kill_command("worker-K")
    console.rule(f"1. A checkout of five steps; {kill} in the middle", align="left")
    with Live(console=console, refresh_per_second=10) as live:
        crash = scenes.kill_a_worker(api, stack, lambda moment: live.update(drawing(moment)))
    tell(console, crash)
    console.rule("2. The gateway is killed while a client waits", align="left")
    gateway = scenes.kill_the_gateway(api, stack)
    tell(console, gateway)
    console.rule(f"3. {scenes.SAME_ID} begins with one id", align="left")
    same = scenes.begin_a_thousand_times(api, stack)
    tell(console, same)
    return [crash, gateway, same]


def main() -> int:
    """Return 0 if the service did as promised, 1 if not, 2 if there is none to be had."""
    console, api = Console(highlight=False), of_environment(os.environ)
    try:
        with service(api, console) as stack:
            verdicts = play(api, stack, console)
    except StackError as error:
        console.print(f"demo: {error}")
        return 2
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
