"""Load and random faults for FAULTS_SECONDS; then a verdict."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faults.checker import check
from tests.support.faults.proxy import proxy_to
from tests.support.processes import call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.faults.proxy import Proxy
    from tests.support.stack import Stack

SECONDS = float(os.environ.get("FAULTS_SECONDS", "20"))
SEED = int(os.environ.get("FAULTS_SEED", "1"))
WORKERS = ("worker-1", "worker-2", "worker-3")
SETTLE_SECONDS = 45.0
PAUSES = (0.1, 0.5)
"""Seconds between a client's jobs: a load that two of three workers can carry, or what is measured
after the last fault is the backlog and not the recovery."""

HARMS = ("refuse-500", "refuse-503", "page-502", "page-404", "cut", "lose", "half", "hang", "slow")
CALLS = (
    ("POST", "/tasks/claim"),
    ("POST", "/promises"),
    ("PATCH", "/promises/"),
    ("POST", "/tasks/heartbeat"),
)


def seconds(text: str) -> float:
    """Return a time of an answer in seconds."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Run:
    """The service under load, what is done to it, and the history of both on disk."""

    stack: Stack
    proxy: Proxy
    history: Path
    random: random.Random
    ids: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, **what: Any) -> None:
        line = json.dumps({"kind": kind, "at": time.time(), **what})
        with self._lock, self.history.open("a") as file:
            file.write(line + "\n")

    def client(self, number: int) -> None:
        """Begin jobs, repeat some begins, read some states, until it is over."""
        chance, count = random.Random(f"{SEED}-{number}"), 0
        while not self.over.wait(chance.uniform(*PAUSES)):
            id = f"long-{number}-{count}"
            count += 1
            with self._lock:
                self.ids.append(id)
            for _ in range(chance.choice((1, 1, 1, 2))):
                self.begin(id)
            self.read(chance.choice(self.ids))

    def begin(self, id: str) -> None:
        pace = 0.05 + (hash_of(id) % 7) / 10
        body = {"pace": pace} if hash_of(id) % 3 else {"foo": id}
        function = "checkout" if hash_of(id) % 3 else "foo"
        try:
            status = self.stack.begin(id, function, body).status
        except OSError:
            status = 0
        self.note("begin", id=id, status=status)

    def read(self, id: str) -> bool:
        """Read and note a state; return whether the execution has ended or is unknown."""
        try:
            answer = call(f"{self.stack.url}/wait?id={id}&include=steps")
        except OSError:
            return False
        if answer.status == 404:
            return True
        if answer.status != 200:
            return False
        body = answer.body
        if body["done"]:
            body["ended_at"] = seconds(body["completed_at"])
        for step in body.get("steps", []):
            step["ended_at"] = seconds(step["ended"]) if step["ended"] else None
        self.note("read", id=id, body=body)
        return bool(body["done"])

    def faults(self) -> None:
        """Inject one fault after the other until the time is over; then repair everything."""
        kinds: list[Callable[[], None]] = [
            self.kill_a_worker,
            self.kill_a_worker,
            self.freeze_a_worker,
            self.stop_a_worker,
            self.kill_the_gateway,
            self.kill_the_server,
            self.harm_calls,
            self.harm_calls,
        ]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.random.choice(kinds)()
            self.over.wait(self.random.uniform(0.5, 2.5))
        self.proxy.heal()
        self.note("healed")

    def kill_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        self.note("fault", what="SIGKILL of a worker")
        self.stack.workers[name].kill()
        self.over.wait(self.random.uniform(0, 3))
        self.stack.workers[name].start()

    def freeze_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        self.note("fault", what="SIGSTOP of a worker")
        self.stack.workers[name].signal(signal.SIGSTOP)
        self.over.wait(self.random.uniform(0.5, 6))
        self.stack.workers[name].signal(signal.SIGCONT)

    def stop_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        self.note("fault", what="SIGTERM of a worker")
        self.stack.workers[name].stop()
        self.stack.workers[name].start()

    def kill_the_gateway(self) -> None:
        self.note("fault", what="SIGKILL of the gateway")
        self.stack.gateways["gateway"].kill()
        self.stack.gateways["gateway"].start()
        self.stack.gateways["gateway"].started("gateway started")

    def kill_the_server(self) -> None:
        number = self.random.choice((signal.SIGKILL, signal.SIGTERM))
        self.note("fault", what=f"{number.name} of the server")
        self.stack.server.signal(number)
        self.over.wait(0.3)
        self.stack.server.kill()
        self.over.wait(self.random.uniform(0, 5))
        self.stack.server.start()

    def harm_calls(self) -> None:
        how, (method, path) = self.random.choice(HARMS), self.random.choice(CALLS)
        self.note("fault", what=f"{how} of {method} {path}")
        self.proxy.harm(method, path, how, times=self.random.randint(1, 10))


def hash_of(id: str) -> int:
    """Return a number that is the same in every run."""
    return sum(id.encode())


def note_steps(run: Run) -> None:
    """Add what the workers' logs say of steps to the history."""
    for worker in run.stack.workers.values():
        for event in worker.events("step started"):
            line = {"kind": "step", "id": event["id"], "at": seconds(event["timestamp"])}
            what = {"step": event["step"], "worker": event["process"], "try": event["attempt"]}
            with run.history.open("a") as file:
                file.write(json.dumps({**line, **what}) + "\n")


@pytest.mark.timeout(SECONDS + 240)
def test_a_long_run(bare_stack: Stack, tmp_path: Path) -> None:
    """Nothing accepted is lost, every id has one result, no finished step runs again."""
    stack = bare_stack
    history = tmp_path / "history.jsonl"
    with proxy_to(stack.server.store_port) as proxy:
        # A port that stays the same, so that the gateway can be killed and come back.
        gateway = stack.gateways["gateway"]
        gateway.environment = {**gateway.environment, "GATEWAY_PORT": stack.url.rpartition(":")[2]}
        for name in WORKERS:
            stack.add_worker(name, RESONATE_PORT_STORE=str(proxy.port), WORKER_DRAIN_SECONDS="1")
        run = Run(stack, proxy, history, random.Random(SEED))
        clients = [threading.Thread(target=run.client, args=(n,)) for n in range(4)]
        for client in clients:
            client.start()
        run.faults()
        run.over.set()
        for client in clients:
            client.join()
        end = time.monotonic() + SETTLE_SECONDS
        open_ids = list(run.ids)
        while open_ids and time.monotonic() < end:
            open_ids = [id for id in open_ids if not run.read(id)]
        note_steps(run)
    verdict = check(map(json.loads, history.read_text().splitlines()))
    print(f"\nseed {SEED}, {SECONDS:g} s: {verdict}")  # noqa: T201 - the summary of the run
    assert verdict.faults == []
    assert verdict.accepted > SECONDS
