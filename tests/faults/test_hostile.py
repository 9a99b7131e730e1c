"""Every attack at once beside healthy work, for FAULTS_SECONDS; then a verdict.

FAULTS_ATTACKS names the only attacks to make, separated by commas.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.faults import memory
from tests.support.faults.attacks.attack import Target
from tests.support.faults.attacks.campaign import Campaign, chosen
from tests.support.faults.checker import check
from tests.support.faults.healthy import HealthyLoad
from tests.support.faults.history import History
from tests.support.faults.hostile_verdict import HostileRun
from tests.support.faults.losses import losses
from tests.support.faults.supervisor import supervised
from tests.support.receiver import receiving
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

SECONDS: Final = float(os.environ.get("FAULTS_SECONDS", "20"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "1"))
BEFORE_SECONDS: Final = max(15.0, SECONDS / 5)
"""Seconds without attacks, to compare with."""

SECRET: Final = "whsec_" + "c2VjcmV0" * 4
WEBHOOKS: Final = {"WEBHOOK_SECRET": SECRET, "GATEWAY_CALLBACK_ALLOW": "127.0.0.1"}
WORKERS: Final = ("worker-1", "worker-2", "worker-3")
GATEWAYS: Final = ("gateway", "gateway-2")
REFUSALS: Final = 100_000


@pytest.fixture(name="attacked")
def _attacked(tmp_path: Path) -> Iterator[Stack]:
    """Yield a service with two gateways, and three workers that have all odd functions."""
    with running_stack(tmp_path, workers=0, gateway=WEBHOOKS) as stack:
        stack.add_gateway(GATEWAYS[1], ready=True, **WEBHOOKS)
        for name in WORKERS:
            stack.add_worker(name, "tests.support.worker.odd", **WEBHOOKS)
        yield stack


def pids(stack: Stack) -> dict[str, int]:
    """Return the process of each part, 0 for one that has ended."""
    parts = {**stack.gateways, **stack.workers}
    found = {name: part.pid if part.running() else 0 for name, part in parts.items()}
    alive = stack.server.child is not None and stack.server.child.poll() is None
    return {"resonate": stack.server.pid if alive else 0, **found}


def lasting(stack: Stack) -> dict[str, int]:
    """Return the processes that nothing may end."""
    return {name: pid for name, pid in pids(stack).items() if name not in WORKERS}


def limits() -> dict[str, int]:
    """Return the bytes that each part may have."""
    of = memory.limits()
    return {**of, **dict.fromkeys(GATEWAYS, of["gateway"])}


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.long
@pytest.mark.timeout(SECONDS + BEFORE_SECONDS + 300)
def test_healthy_work_beside_every_attack(attacked: Stack, tmp_path: Path) -> None:
    """Healthy work goes on in its time, nothing dies but by poison, and memory is bounded."""
    history = History(tmp_path / "history.jsonl")
    with ExitStack() as stack:
        hanging = stack.enter_context(receiving())
        hanging.answering.clear()
        failing = stack.enter_context(receiving(*[503] * REFUSALS))
        supervisor = stack.enter_context(supervised(attacked))
        peaks = stack.enter_context(memory.sampled(lambda: pids(attacked)))
        urls = [attacked.url, f"http://127.0.0.1:{port_of(attacked, GATEWAYS[1])}"]
        before = HealthyLoad(urls, history, "healthy-before")
        before.run(BEFORE_SECONDS)

        target = Target(attacked, urls, (hanging.url, failing.url), tmp_path)
        campaign, during = Campaign(target, SEED), HealthyLoad(urls, history, "healthy")
        first, began, used = lasting(attacked), time.monotonic(), time.process_time()
        used_by = {name: cpu_seconds(pid) for name, pid in first.items()}
        with campaign.under_way(chosen()):
            during.run(SECONDS)
            took = time.monotonic() - began
            cores = {"attackers": (time.process_time() - used) / took}
            for name, pid in lasting(attacked).items():
                cores[name] = (cpu_seconds(pid) - used_by[name]) / took if pid else 0.0
        last = lasting(attacked)
    for ended in supervisor.ended:
        history.note("death", at=ended.at, worker=ended.name)
    history.note_steps(attacked, "healthy")
    run = HostileRun(
        bouts=campaign.bouts,
        unanswered=campaign.unanswered,
        begun=during.begun,
        before=before.taken,
        during=during.taken,
        limits=limits(),
        peaks=peaks,
        pids={name: (pid, last[name]) for name, pid in first.items()},
        lost=losses(attacked, supervisor.ended),
        broken=[*check(history.events()).faults, *campaign.broken],
        cores=cores,
    )
    print(f"\nseed {SEED}, {SECONDS:g} s\n{run.summary()}")  # noqa: T201 - the summary of the run
    assert list(run.faults()) == []


def port_of(stack: Stack, gateway: str) -> int:
    """Return the port on which a gateway listens."""
    port: int = stack.gateways[gateway].started("gateway started")["port"]
    return port
