"""What one worker process is made of: what speaks to the server and to gateways."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from shared.presence import Hello
from shared.resonate.store import Store
from shared.resonate.streams import stream_path
from shared.resonate.tasks import Locks, Tasks
from shared.resonate.transport import Transport
from worker.metrics.counts import WorkerMetrics
from worker.presence.presence import Presence
from worker.store.roster import Roster
from worker.tasks.board import RENEWALS_PER_LEASE
from worker.tasks.rebalancing import Rebalancer
from worker.tasks.stream import Stream
from worker.webhooks.function import Webhooks
from worker.webhooks.limits import ReceiverLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.registry import Functions
    from worker.settings import WorkerSettings
    from worker.tasks.offers import Inbox

WRITE_ATTEMPT: Final = 5.0
"""Seconds that one attempt of a write may take."""

WRITE_BUDGET: Final = 600.0
"""Seconds for which one write is repeated while the server is away. Then the worker gives up the
claim, whose lease has ended long before."""


class BackgroundThread(Protocol):
    """A part of the worker that runs in a thread of its own."""

    def start(self) -> None: ...

    def is_alive(self) -> bool: ...


def transports_of(
    settings: WorkerSettings, stopped: Callable[[], bool], metrics: WorkerMetrics
) -> tuple[Transport, ...]:
    """Return the transport for writes, and one whose calls answer or fail well within a lease."""
    server, quick = settings.server, settings.lease_seconds / RENEWALS_PER_LEASE
    called = metrics.store.called
    writes = Transport(
        server, attempt=WRITE_ATTEMPT, budget=WRITE_BUDGET, stopped=stopped, called=called
    )
    return writes, Transport(server, attempt=quick, budget=0, clock=writes.clock, called=called)


def metrics_of(settings: WorkerSettings, functions: Functions) -> WorkerMetrics:
    """Return what counts, if the settings say so; what the machine knows is told anyway."""
    metrics = WorkerMetrics(functions.versions, on=settings.metrics.on)
    metrics.meter.add_process()
    return metrics


def presence_of(settings: WorkerSettings, functions: Functions, pid: str, inbox: Inbox) -> Presence:
    """Return what tells gateways of this worker, if there is a secret."""
    hello = Hello(
        secret=settings.presence_secret,
        worker=settings.name,
        pid=pid,
        group=settings.group,
        slots=settings.concurrency,
        started_at=int(time.time() * 1000),
        serves={name: list(versions) for name, versions in functions.users_versions.items()},
    )
    gateways = settings.gateways if settings.presence_secret else ()

    def offers() -> list[tuple[str, int]]:
        return [(offer.task, offer.counter) for offer in inbox.waiting()]

    return Presence(gateways, hello, offers, settings.lease_seconds)


def webhooks_of(settings: WorkerSettings, transport: Transport) -> Webhooks:
    """Return the function that sends webhooks."""
    return Webhooks(settings.webhooks, Store(transport), ReceiverLimits(settings.concurrency))


def roster_of(
    settings: WorkerSettings, functions: Functions, transport: Transport, pid: str
) -> Roster:
    """Return the entry of this worker in the store."""
    serves = functions.users_versions
    return Roster(Store(transport), Locks(transport), settings.group, pid, serves)


def rebalancer_of(
    settings: WorkerSettings, transport: Transport, inbox: Inbox, pid: str
) -> Rebalancer:
    """Return what passes offers on, and asks for more."""
    return Rebalancer(
        Tasks(transport),
        Locks(transport),
        inbox,
        group=settings.group,
        pid=pid,
        slots=settings.concurrency,
    )


def stream_of(
    settings: WorkerSettings, pid: str, inbox: Inbox, may_claim: Callable[[], bool]
) -> Stream:
    """Return what reads the server's offers once the worker may claim."""
    return Stream(settings.server, stream_path(settings.group, pid), inbox, may_claim)
