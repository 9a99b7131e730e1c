"""Long chaos on a stack of containers: `run` does harm and judges, `check FILE` judges again."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import aiohttp

from tests.support.chaos.caller import Caller
from tests.support.chaos.clients import Clients
from tests.support.chaos.containers import Containers
from tests.support.chaos.logs import WorkerLogs, watch_ends
from tests.support.chaos.nemesis import Nemesis
from tests.support.chaos.summary import summary
from tests.support.compose import FILES, Compose
from tests.support.faults.checker import check
from tests.support.faults.history import History, events_of
from tests.support.ports import free_port
from tests.support.processes import ROOT

SETTLE_SECONDS = 120.0
"""Seconds after the last fault in which everything is to end; the verdict allows less."""

READERS = 4
REPORT_SECONDS = 60.0


def main() -> int:
    """Return 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    doing = commands.add_parser("run")
    doing.add_argument("--hours", type=float, default=1.0)
    doing.add_argument("--store", choices=sorted(FILES), default="sqlite")
    doing.add_argument("--seed", type=int, default=1)
    doing.add_argument("--keep", action="store_true", help="leave the containers")
    commands.add_parser("check").add_argument("file", type=Path)
    given = parser.parse_args()
    path = given.file if given.command == "check" else _run(given)
    verdict = check(events_of(path))
    _say(summary(verdict), f"history: {path}")
    return 1 if verdict.faults else 0


def _run(given: argparse.Namespace) -> Path:
    """Bring up a stack, do harm to it, and return the history."""
    store, name = given.store, f"chaos-{given.store}"
    folder = ROOT / ".data" / "chaos" / f"{store}-{given.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    compose = Compose(store, free_port(), project=f"durable-http-{name}", prefix=f"{name}-")
    compose.remove()
    try:
        compose.up()
        _say(f"{store}, seed {given.seed}, {given.hours:g} h at {compose.url}, in {folder}")
        history = History(folder / "history.jsonl")
        asyncio.run(_do(compose, history, given.seed, given.hours * 3600))
    finally:
        _keep_logs(compose, folder)
        if not given.keep:
            compose.remove()
    return folder / "history.jsonl"


async def _do(compose: Compose, history: History, seed: int, lasts: float) -> None:
    containers, prefix = Containers(compose), f"c{seed}"
    nemesis = Nemesis(containers, history, Random(seed))
    logs = WorkerLogs(compose, history, prefix)
    over, ended = asyncio.Event(), asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        caller = Caller(compose.url, history, session)
        clients = Clients(caller, history, Random(f"{seed}"), prefix)
        deaths = asyncio.create_task(watch_ends(compose, history, nemesis))
        reports = asyncio.create_task(_report(clients, nemesis))
        reading = asyncio.create_task(logs.work(ended))
        beginning = asyncio.create_task(clients.work(over))
        harming = asyncio.create_task(nemesis.work(over))
        await asyncio.wait({beginning, harming}, timeout=lasts)
        over.set()
        await asyncio.gather(beginning, harming)
        await nemesis.heal()
        await clients.settle(SETTLE_SECONDS)
        await _read_all(clients, history)
        ended.set()
        await reading
        for task in (deaths, reports):
            task.cancel()
        await asyncio.gather(deaths, reports, return_exceptions=True)


async def _read_all(clients: Clients, history: History) -> None:
    """Read once more whatever was accepted: what has ended must be as it was."""
    accepted = {
        event["id"]
        for event in history.events()
        if event["kind"] == "begin" and event["status"] in {200, 202}
    }
    left = iter(sorted(accepted))

    async def read() -> None:
        for id in left:
            await clients.read(id)

    await asyncio.gather(*(read() for _ in range(READERS)))


async def _report(clients: Clients, nemesis: Nemesis) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        minutes = (time.monotonic() - began) / 60
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        _say(
            f"{minutes:.0f} min: {clients.begun} begun, {len(clients.lives)} open,"
            f" {nemesis.done} faults; {size} MiB"
        )


def _keep_logs(compose: Compose, folder: Path) -> None:
    """Keep the containers' logs beside the history."""
    for name in compose.containers():
        with (folder / f"{name}.log").open("w") as file:
            command = ["docker", "logs", compose.prefix + name]
            subprocess.run(command, stdout=file, stderr=file, check=False)


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + os.linesep)
    sys.stdout.flush()


sys.exit(main())
