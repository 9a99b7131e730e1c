"""What the containers tell: steps that workers began, and containers that ended by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.chaos.containers import WORKERS, facts_of
from tests.support.chaos.jobs import logged_step
from tests.support.faults.history import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.chaos.nemesis import Nemesis
    from tests.support.compose import Compose
    from tests.support.faults.history import History

PERIOD_SECONDS = 300.0
"""Seconds between two looks at the logs, which Docker cuts at 30 MB."""


@dataclass
class WorkerLogs:
    """Adds to the history what workers' logs say of steps, each line once.

    A container keeps its log when it is started again, and Docker gives each line a time of its
    own, after which the next look goes on.
    """

    compose: Compose
    history: History
    prefix: str
    last: dict[str, str] = field(default_factory=dict)

    async def work(self, over: asyncio.Event) -> None:
        """Look now and then, and once more when it is over."""
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), PERIOD_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        for worker in WORKERS:
            for line in self._new_lines(worker):
                self._take(line)

    def _take(self, line: str) -> None:
        if '"step started"' not in line and '"counting"' not in line:
            return
        try:
            entry = json.loads(line)
        except ValueError:
            return  # cut off by the end of its process
        step = logged_step(entry)
        if step is not None and entry["execution"].startswith(self.prefix):
            at, worker = seconds(entry["timestamp"]), entry["process"]
            self.history.note("step", id=entry["execution"], at=at, step=step, worker=worker)

    def _new_lines(self, worker: str) -> Iterator[str]:
        """Yield the lines since the last look, without their times."""
        last = self.last.get(worker, "")
        since = ["--since", last] if last else []
        command = ["docker", "logs", "--timestamps", *since, self.compose.prefix + worker]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as child:
            assert child.stdout is not None
            lines: Iterable[str] = child.stdout
            for line in lines:
                at, _, text = line.rstrip("\n").partition(" ")
                # Docker's times have nine digits each, so that they sort as text.
                if at > last and at[:2] == "20":
                    self.last[worker] = at
                    yield text


async def watch_ends(compose: Compose, history: History, nemesis: Nemesis) -> None:
    """Note each container that ends though nobody has ended it, until canceled."""
    label = f"label=com.docker.compose.project={compose.project}"
    child = await asyncio.create_subprocess_exec(
        *("docker", "events", "--filter", "event=die", "--filter", label, "--format", "{{json .}}"),
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        async for line in child.stdout:
            name, at, code = facts_of(line.decode())
            name = name.removeprefix(compose.prefix)
            if nemesis.busy[name]:
                continue
            what = f"{name} ended by itself"
            print(f"{time.strftime('%X')} {what} with {code}", flush=True)  # noqa: T201 - progress
            if name in WORKERS:
                history.note("death", at=at, worker=name, code=code)
            else:
                history.note("fault", what=what, at=at, until=at + 10, worker="*", code=code)
    finally:
        child.terminate()
        await child.wait()
