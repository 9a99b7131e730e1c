"""Load, random faults and random attacks for FAULTS_SECONDS; then a verdict."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.faults.attacks.campaign import Campaign, named
from tests.support.faults.attacks.client import Target
from tests.support.faults.checker import check
from tests.support.faults.history import History
from tests.support.faults.proxy import HANG_SECONDS, proxy_to
from tests.support.faults.supervisor import supervised
from tests.support.processes import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.faults.proxy import Harm, Proxy
    from tests.support.faults.supervisor import Supervisor
    from tests.support.stack import Stack

SECONDS = float(os.environ.get("FAULTS_SECONDS", "20"))
SEED = int(os.environ.get("FAULTS_SEED", "1"))
WORKERS = ("worker-1", "worker-2", "worker-3")
SETTLE_SECONDS = 45.0
PAUSES = (0.1, 0.5)
"""Seconds between a client's jobs: a load that two of three workers can carry, or what is measured
after the last fault is the backlog and not the recovery."""

ATTACKS = (
    "hung-canceled",
    "hung-until-timeout",
    "interpreter-lock",
    "poison",
    "large-results",
    "lists",
    "cursors",
)
"""What is done by clients and functions meanwhile; it excuses nothing but a worker's death."""

HARMS = ("refuse-500", "refuse-503", "page-502", "page-404", "cut", "lose", "half", "hang", "slow")
CALLS = (
    ("POST", "/tasks/claim"),
    ("POST", "/promises"),
    ("PATCH", "/promises/"),
    ("POST", "/tasks/heartbeat"),
)


@dataclass
class Run:
    """The service under load, what is done to it, and the history of both on disk."""

    stack: Stack
    proxy: Proxy
    history: History
    supervisor: Supervisor
    campaign: Campaign
    random: random.Random
    ids: list[str] = field(default_factory=list)
    harms: list[Harm] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        is_long = bool(hash_of(id) % 3)
        function, body = ("checkout", {"pace": pace}) if is_long else ("foo", {"foo": id})
        at = time.time()
        try:
            status = self.stack.begin(id, function, body).status
        except OSError:
            status = 0
        self.history.note("begin", id=id, at=at, status=status, own=5 * pace if is_long else 0)

    def read(self, id: str) -> bool:
        """Read and note a state; return whether the execution has ended or is unknown."""
        try:
            answer = call(f"{self.stack.url}/wait?id={id}&include=steps")
        except OSError:
            return False
        return answer.status == 404 or self.history.note_read(id, answer)

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
            self.attack,
            self.attack,
            self.attack,
        ]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.random.choice(kinds)()
            self.over.wait(self.random.uniform(0.5, 2.5))
        self.proxy.heal()
        self.campaign.join()
        self.history.note("healed")

    @contextlib.contextmanager
    def fault(self, what: str, worker: str | None = None) -> Iterator[None]:
        """Note a fault that lasts as long as the block; `worker` can lose claims by it."""
        at = time.time()
        try:
            yield
        finally:
            lost = {} if worker is None else {"worker": worker}
            self.history.note("fault", what=what, at=at, until=time.time(), **lost)

    def kill_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        with self.fault("SIGKILL of a worker", name), self.supervisor.leaving(name):
            self.stack.workers[name].kill()
            self.over.wait(self.random.uniform(0, 3))
            self.stack.workers[name].start()

    def freeze_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        with (
            self.fault("SIGSTOP of a worker", name),
            self.supervisor.leaving(name),
            contextlib.suppress(ProcessLookupError),  # a poison can have ended it
        ):
            self.stack.workers[name].signal(signal.SIGSTOP)
            self.over.wait(self.random.uniform(0.5, 6))
            self.stack.workers[name].signal(signal.SIGCONT)

    def stop_a_worker(self) -> None:
        name = self.random.choice(WORKERS)
        with self.fault("SIGTERM of a worker", name), self.supervisor.leaving(name):
            self.stack.workers[name].stop()
            self.stack.workers[name].start()

    def kill_the_gateway(self) -> None:
        with self.fault("SIGKILL of the gateway"):
            self.stack.gateways["gateway"].kill()
            self.stack.gateways["gateway"].start()
            self.stack.gateways["gateway"].started("gateway started")

    def kill_the_server(self) -> None:
        number = self.random.choice((signal.SIGKILL, signal.SIGTERM))
        with self.fault(f"{number.name} of the server", "*"):
            self.stack.server.signal(number)
            self.over.wait(0.3)
            self.stack.server.kill()
            self.over.wait(self.random.uniform(0, 5))
            self.stack.server.start()

    def harm_calls(self) -> None:
        how, (method, path) = self.random.choice(HARMS), self.random.choice(CALLS)
        with self.fault(f"{how} of {method} {path}"):
            times = self.random.randint(1, 10)
            self.harms.append(self.proxy.harm(method, path, how, times=times))

    def attack(self) -> None:
        attack = named(self.random.choice(ATTACKS))
        self.history.note("attack", what=f"attack: {attack.name}")
        self.campaign.launch(attack, random.Random(self.random.random()))

    def note_what_was_lost(self) -> None:
        """Add the harm to calls, the deaths, and what the logs say of steps to the history."""
        for harm in self.harms:
            for at in harm.at:
                self.history.note("harm", at=at, until=at + HANG_SECONDS, worker="*")
        for ended in self.supervisor.ended:
            self.history.note("death", at=ended.at, worker=ended.name)
        self.history.note_steps(self.stack, "long-")


def hash_of(id: str) -> int:
    """Return a number that is the same in every run."""
    return sum(id.encode())


@pytest.fixture(name="run")
def _run(bare_stack: Stack, tmp_path: Path) -> Iterator[Run]:
    """Yield a run against a service whose workers meet the server by a proxy."""
    stack = bare_stack
    # A port that stays the same, so that the gateway can be killed and come back.
    gateway = stack.gateways["gateway"]
    gateway.environment = {**gateway.environment, "GATEWAY_PORT": stack.url.rpartition(":")[2]}
    with proxy_to(stack.server.store_port) as proxy:
        own = {"RESONATE_PORT_STORE": str(proxy.port), "WORKER_DRAIN_SECONDS": "1"}
        for name in WORKERS:
            stack.add_worker(name, "tests.support.worker.odd", **own)
        campaign = Campaign(Target(stack, [stack.url], (), tmp_path), SEED)
        with supervised(stack) as supervisor:
            history = History(tmp_path / "history.jsonl")
            yield Run(stack, proxy, history, supervisor, campaign, random.Random(SEED))


@pytest.mark.timeout(SECONDS + 300)
def test_a_long_run(run: Run) -> None:
    """Nothing accepted is lost, every id has one result in time, no step runs without need."""
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
    run.note_what_was_lost()
    verdict = check(run.history.events())
    print(f"\nseed {SEED}, {SECONDS:g} s: {verdict}")  # noqa: T201 - the summary of the run
    assert verdict.faults == []
    assert verdict.accepted > SECONDS
