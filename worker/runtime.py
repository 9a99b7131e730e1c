"""One worker process: its parts, its start, its self-checks and its orderly end."""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Unanswered
from worker.components import (
    metrics_of,
    presence_of,
    rebalancer_of,
    roster_of,
    stream_of,
    transports_of,
    webhooks_of,
)
from worker.gauges import read_gauges
from worker.health import HealthFiles, RenewalCheck
from worker.metrics.listener import MetricsListener
from worker.sdk.patches import replace_growing_parts
from worker.slots.parts import SharedParts
from worker.slots.prompter import Prompter
from worker.slots.runs import end_run
from worker.slots.slot import Slot
from worker.slots.watcher import Watcher
from worker.store.restarts import record_returned
from worker.tasks.board import Board
from worker.tasks.leases import Leases
from worker.tasks.offers import Inbox
from worker.tasks.renewer_process import RenewerProcess
from worker.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.transport import Transport
    from worker.components import BackgroundThread
    from worker.registry import Functions
    from worker.settings import WorkerSettings

WATCH_SECONDS: Final = 0.25
"""Seconds between two self-checks."""

MOST_LEFT_BEHIND: Final = 100
"""Threads left behind in user code, which nothing can end: a worker with more of them is
replaced."""

DROP_BUDGET: Final = 1.0
"""Seconds for which a worker that stops tries to hand one claim back."""

LEAVING_SECONDS: Final = 3.0
"""Seconds that a worker that stops takes at most to say so to the others, while it drains."""

PASS_ON_SECONDS: Final = 1.0
"""Seconds that a worker that stops takes at most to pass its offers on."""


class Worker:
    """Runs executions from `start()` until `stop()`."""

    def __init__(self, settings: WorkerSettings, functions: Functions) -> None:
        replace_growing_parts()
        self._settings = settings
        self._served = functions.described()
        self._stopping = threading.Event()
        pid = uuid.uuid4().hex
        self._metrics = metrics_of(settings, functions)
        transport, quick = transports_of(settings, self._stopping.is_set, self._metrics)
        functions.add(webhooks_of(settings, transport).definition())
        self._inbox = Inbox()
        board = Board()
        self._presence = presence_of(settings, functions, pid, self._inbox)
        self._leases = Leases(Tasks(quick), board, settings.lease_seconds, self._presence)
        self._renewer = RenewerProcess(settings.server, pid, board, settings.lease_seconds)
        self._rebalancer = rebalancer_of(settings, quick, self._inbox, pid)
        self._roster = roster_of(settings, functions, quick, pid)
        self._stream = stream_of(settings, pid, self._inbox, self._renewer.is_renewing)
        self._renewals = RenewalCheck(settings.server, pid, board, settings.lease_seconds)
        self._files = HealthFiles(settings.alive_file, settings.ready_file)
        prompter = Prompter(Tasks(quick), lambda: transport.calls)
        self._parts = self._shared_parts(functions, pid, transport, prompter)
        self._slots = [Slot(self._parts) for _ in range(settings.concurrency)]
        self._watcher = Watcher(self._slots, Tasks(quick), self._leases, self._parts.calls)
        read_gauges(self._metrics.meter, self._parts, self._slots, board, self._rebalancer.watched)
        self._log = get_logger()

    def _shared_parts(
        self, functions: Functions, pid: str, transport: Transport, prompter: Prompter
    ) -> SharedParts:
        return SharedParts(
            name=self._settings.name,
            group=self._settings.group,
            pid=pid,
            registry=functions.registry,
            functions=functions.newest,
            versions=functions.versions,
            plain=functions.plain,
            transport=transport,
            tasks=Tasks(transport),
            inbox=self._inbox,
            leases=self._leases,
            prompter=prompter,
            max_result_bytes=self._settings.max_result_bytes,
            calls=UserCalls(self._settings.step_timeout_seconds),
            max_recoveries=self._settings.max_recoveries,
            metrics=self._metrics,
        )

    def _background_threads(self) -> Mapping[str, BackgroundThread]:
        """Return all that runs beside the slots, in the order of the start."""
        return {
            "presence's": self._presence,
            "renewer's": self._renewer,
            "leases'": self._leases,
            "late starts'": self._parts.late_starts,
            "prompter's": self._parts.prompter,
            "watcher's": self._watcher,
            "rebalancer's": self._rebalancer,
            "stream's": self._stream,
        }

    def start(self) -> None:
        listener = self._settings.metrics
        MetricsListener(self._metrics.meter, listener.host, listener.port).start()
        for slot in self._slots:
            slot.start()
        for thread in self._background_threads().values():
            thread.start()
        self._roster.start()
        self._log.info(
            "worker started",
            worker=self._settings.name,
            group=self._settings.group,
            concurrency=self._settings.concurrency,
            functions=self._served,
        )

    def fault(self) -> str | None:
        """Return what is broken and cannot be mended in this process, or None."""
        for dead in filter(None, (slot.dead_thread() for slot in self._slots)):
            return f"a {dead} thread of the SDK is gone"
        for whose, thread in self._background_threads().items():
            if not thread.is_alive():
                return f"the {whose} thread is gone"
        if self._renewer.failed():
            return "the renewer cannot be started"
        return self._renewals.fault()

    def is_ready(self) -> bool:
        """Return whether the server can offer tasks to this worker, and renews those it has."""
        return self._stream.is_open() and self._leases.overdue() <= self._settings.lease_seconds

    def outgrown(self) -> str | None:
        """Return what this process has too much of to go on, or None."""
        limit = self._settings.memory_mib
        if limit > 0 and resident_mib() > limit:
            return f"memory: {resident_mib():.0f} MiB"
        left = self._parts.calls.left_behind()
        return f"threads left behind in user code: {left}" if left > MOST_LEFT_BEHIND else None

    def watch(self, stop: threading.Event) -> str | None:
        """Return None when the worker should stop in order, or at once what is broken.

        Meanwhile the files for probes show how the worker is.
        """
        while True:
            fault = self.fault()
            if fault is not None:
                return fault
            self._files.show(ready=self.is_ready())
            if stop.wait(WATCH_SECONDS):
                return None
            outgrown = self.outgrown()
            if outgrown is not None:
                self._metrics.recycled(outgrown.partition(" ")[0].strip(":"))
                self._log.warning("worker to be replaced", reason=outgrown)
                return None

    def stop(self, hurry: threading.Event) -> None:
        """Claim nothing more, give running executions the drain time, hand the rest back."""
        began = time.monotonic()
        self._metrics.drained()
        self._stream.close()
        self._files.show(ready=False)
        self._rebalancer.close()
        untaken_offers = self._inbox.close()
        kept = self._rebalancer.pass_on(untaken_offers, PASS_ON_SECONDS)
        passed_on = len(untaken_offers) - len(kept)
        leaving = threading.Thread(target=self._roster.leave, name="leaving", daemon=True)
        leaving.start()
        self._log.info("draining", running=len(self._leases.held()), passed_on=passed_on)
        end = began + self._settings.drain_seconds
        while self._leases.held() and time.monotonic() < end and not hurry.wait(0.02):
            self._files.show(ready=False)
        self._watcher.close()
        self._stopping.set()
        handed_back = _hand_back(self._parts)
        self._leases.close()
        self._parts.prompter.close()
        self._renewer.close()
        self._presence.close()
        leaving.join(LEAVING_SECONDS)
        self._log.info(
            "worker stopped", handed_back=handed_back, seconds=round(time.monotonic() - began, 3)
        )


def _hand_back(parts: SharedParts) -> int:
    """Drop all claims at the server, so that others go on at once; return how many there were."""
    held, log = parts.leases.held(), get_logger()
    for claim in held:
        claim.lost = "this worker is stopping"
        end_run(claim)
    for claim in held:
        record_returned(parts.transport, claim)
        try:
            parts.tasks.drop(claim.task, claim.counter, budget=DROP_BUDGET)
        except Refused as refusal:
            log.warning("claim not handed back", **claim.log_fields, reason=str(refusal))
        except Unanswered as error:
            log.warning("claim not handed back", **claim.log_fields, reason=str(error))
            break
    return len(held)


def resident_mib() -> float:
    """Return this process's resident memory, or 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
