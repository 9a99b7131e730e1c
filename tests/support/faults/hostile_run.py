"""A hostile run: healthy work alone, then beside attacks, and all that a verdict needs of both."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.faults.attacks.campaign import Campaign
from tests.support.faults.attacks.client import Target
from tests.support.faults.checker import check
from tests.support.faults.healthy import HealthyLoad
from tests.support.faults.history import History
from tests.support.faults.hostile_verdict import Seen
from tests.support.faults.losses import losses
from tests.support.faults.supervisor import supervised
from tests.support.faults.usage import limits, machine_cpu_seconds, sampled, waiting_seconds
from tests.support.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.faults.attacks.attack import Attack
    from tests.support.faults.supervisor import Supervisor
    from tests.support.faults.usage import Usage
    from tests.support.stack import Stack

REFUSALS = 100_000
"""Webhooks that the receiver which answers 503 gets at most."""


@dataclass(frozen=True)
class Parts:
    """The processes of a service, by name; nothing may end those that are no workers."""

    stack: Stack

    def pids(self) -> dict[str, int]:
        """Return the process of each part, 0 for one that has ended."""
        return {
            **self.lasting(),
            **{name: part.pid for name, part in self.stack.workers.items() if part.running()},
        }

    def lasting(self) -> dict[str, int]:
        """Return the processes of the server and the gateways, 0 for one that has ended."""
        server, gateways = self.stack.server, self.stack.gateways
        alive = server.child is not None and server.child.poll() is None
        return {
            "resonate": server.pid if alive else 0,
            **{name: part.pid if part.running() else 0 for name, part in gateways.items()},
        }

    def limits(self) -> dict[str, int]:
        """Return the bytes that each part may have."""
        of = limits()
        gateways, workers = self.stack.gateways, self.stack.workers
        return {
            "resonate": of["resonate"],
            **dict.fromkeys(gateways, of["gateway"]),
            **dict.fromkeys(workers, of["worker-1"]),
        }


@contextlib.contextmanager
def cores(used: Mapping[str, Usage]) -> Iterator[dict[str, float]]:
    """Yield what will have, after the block, the share of a core that each part took in it.

    `attackers` are this process, `machine` is all that ran on it; `waiting` is the share of the
    time in which something waited for a core.
    """

    def seconds() -> dict[str, float]:
        parts = {name: each.cpu for name, each in used.items()}
        whole = {"attackers": time.process_time(), "machine": machine_cpu_seconds()}
        return {**parts, **whole, "waiting": waiting_seconds()}

    shares: dict[str, float] = {}
    began, first = time.monotonic(), seconds()
    yield shares
    took, last = time.monotonic() - began, seconds()
    shares.update({name: (last[name] - first[name]) / took for name in first})


@dataclass
class HostileRun:
    """A run against a service that the test has started, in a directory of the test's."""

    stack: Stack
    urls: Sequence[str]
    directory: Path
    attacks: Sequence[Attack]
    seed: int

    def __post_init__(self) -> None:
        self._history = History(self.directory / "history.jsonl")
        self._before = HealthyLoad(self.urls, self._history, "healthy-before")
        self._during = HealthyLoad(self.urls, self._history, "healthy")

    def seen(self, before_seconds: float, seconds: float) -> Seen:
        """Run healthy work alone and then beside the attacks; return what was seen."""
        parts = Parts(self.stack)
        with (
            receivers() as targets,
            supervised(self.stack) as supervisor,
            sampled(parts.pids) as used,
        ):
            with cores(used) as quiet:
                self._before.run(before_seconds)
            campaign = Campaign(Target(self.stack, self.urls, targets, self.directory), self.seed)
            first = parts.lasting()
            with cores(used) as shares, campaign.under_way(self.attacks):
                self._during.run(seconds)
            last = parts.lasting()
        return Seen(
            bouts=campaign.bouts,
            unanswered=campaign.unanswered,
            begun=self._during.begun,
            before=self._before.taken,
            during=self._during.taken,
            limits=parts.limits(),
            peaks={name: each.peak for name, each in used.items()},
            pids={name: (pid, last[name]) for name, pid in first.items()},
            lost=losses(self.stack, supervisor.ended),
            broken=[*self._broken(supervisor), *campaign.broken],
            cores={"before": quiet, "during": shares},
            left={name: each.now for name, each in used.items()},
        )

    def _broken(self, supervisor: Supervisor) -> list[str]:
        """Return the promises to healthy executions that were not kept."""
        for ended in supervisor.ended:
            self._history.note("death", at=ended.at, worker=ended.name)
        self._history.note_steps(self.stack, "healthy")
        return check(self._history.events()).faults


@contextlib.contextmanager
def receivers() -> Iterator[tuple[str, str]]:
    """Yield the URLs of a receiver of webhooks that hangs and of one that answers 503."""
    with receiving() as hanging, receiving(*[503] * REFUSALS) as failing:
        hanging.answering.clear()
        yield hanging.url, failing.url
