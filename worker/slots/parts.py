"""The parts that all slots of a worker share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.metrics.counts import WorkerMetrics
from worker.store.blocked import BlockedExecutions
from worker.store.fenced_store import FencedStore
from worker.store.known_histories import KnownHistories
from worker.store.steps import LateStarts
from worker.tasks.suspects import Suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resonate.registry import Registry

    from durable_http.declarations.definition import Definition
    from shared.resonate.store import Promises
    from shared.resonate.tasks import Tasks
    from shared.resonate.transport import Transport
    from worker.slots.prompter import Prompter
    from worker.tasks.claim_handle import ClaimHandle
    from worker.tasks.leases import Leases
    from worker.tasks.offers import Inbox
    from worker.user_calls import UserCalls


type RunPlain = Callable[[str, ClaimHandle, Promises, Callable[[], None]], bool]
"""Runs a plain function with this input, and returns whether its end is known: if not, another
thread goes on, and makes the call that was given."""


@dataclass(frozen=True)
class SharedParts:
    """The worker's identity, and what its slots use together."""

    name: str
    group: str
    pid: str
    registry: Registry
    functions: Mapping[str, Definition]
    """The newest version of each function."""

    versions: Mapping[str, Sequence[int]]
    """The versions of each function that this worker can run."""

    plain: Mapping[tuple[str, int], RunPlain]
    """The plain functions, by name and version."""

    transport: Transport
    tasks: Tasks
    inbox: Inbox
    leases: Leases
    prompter: Prompter
    calls: UserCalls
    max_recoveries: int
    max_result_bytes: int
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics.off)
    late_starts: LateStarts = field(default_factory=LateStarts)
    histories: KnownHistories = field(default_factory=KnownHistories)
    suspects: Suspects = field(default_factory=Suspects)
    blocked: BlockedExecutions = field(default_factory=BlockedExecutions)

    def store(self) -> FencedStore:
        """Return a store for the writes of one slot."""
        return FencedStore(
            self.transport, self.name, self.histories, self.prompter.prompt, self.metrics
        )
