"""Replaces parts of the SDK 0.6.7 that grow or wait for ever, by public names of its modules.

Check with each new version of the SDK whether they are still needed.
"""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

import resonate.bridge
import resonate.resonate
import resonate.scheduler
from resonate.delay_q import DelayQ

from worker.sdk.graph import IndexedComputation, IndexedGraph, IndexedNode
from worker.sdk.step_threads import StepThreads

if TYPE_CHECKING:
    from types import TracebackType


class SilentLogger:
    """Stands in for `ContextLogger`, which creates a named logger for every step and keeps it.

    Each new logger clears the caches of all loggers, so a worker slows down with every step.
    Our own wrapper logs the steps.
    """

    def __init__(self, cid: str, id: str, _level: int | str = 0) -> None:
        self.cid = cid
        self.id = id

    def log(self, *_: Any, **__: Any) -> None:
        """Log nothing."""

    debug = info = warning = error = critical = log


class WakingDelayQ[T](DelayQ[T]):
    """Wakes the thread that waits for delayed retries, so that it sees that its client was stopped.

    The SDK's own queue lets that thread wait without a limit while nothing is delayed. So the
    thread outlives `stop()` and keeps the client, with all that it remembers, in memory.
    (In 0.6.7 `empty` means "has items".) Once `hurried` is set, nothing is delayed any more.
    """

    hurried = False

    def empty(self) -> bool:
        return True

    def get(self, time: float) -> tuple[list[T], float]:
        items, next_time = super().get(math.inf if self.hurried else time)
        return items, min(next_time or time + 1, time + 1)


class LenientCondition(threading.Condition):
    """A condition that may be released within its `with` block.

    The SDK's thread of delayed retries does so while it passes retries on. If its client is stopped
    just then, the thread leaves the block without the lock: an error that would end the process.
    """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(RuntimeError):
            super().__exit__(kind, error, trace)


def prepare(client: resonate.Resonate) -> None:
    """Replace what a client has made before its threads start."""
    vars(vars(client)["_bridge"])["_delay_q_condition"] = LenientCondition()


class SdkThreads:
    """The threads of one client, and what they remember. The SDK has no public names for them."""

    def __init__(self, client: resonate.Resonate) -> None:
        bridge = vars(vars(client)["_bridge"])
        self._computations: dict[str, Any] = bridge["_scheduler"].computations
        self._tasks: dict[str, Any] = bridge["_promise_id_to_task"]
        self._delayed: WakingDelayQ[Any] = bridge["_delay_q"]
        self._steps: StepThreads = bridge["_processor"]
        self._threads: dict[str, threading.Thread] = {
            "bridge": bridge["_bridge_thread"],
            "message source": bridge["_message_source_thread"],
            "delay queue": bridge["_delay_q_thread"],
            "heartbeat": bridge["_heartbeat_thread"],
        }

    def dead(self) -> str | None:
        """Return the name of a thread that has ended, or None; call it after the start."""
        for name, thread in self._threads.items():
            if not thread.is_alive():
                return name
        return None if self._steps.are_alive() else "step"

    def forget_executions(self) -> None:
        """Drop all executions; only the bridge thread may call this, when all have ended."""
        for computation in self._computations.values():
            # Calls and nodes refer to each other, so they would wait for the garbage collector,
            # which comes late where large values are few objects.
            for node in computation.graph.nodes.values():
                vars(node.value.func).clear()
        self._computations.clear()
        self._tasks.clear()
        self._steps.forget_last()

    def end_steps(self, error: BaseException) -> None:
        """End the running steps with an error, and delay nothing more, so that the body ends."""
        self._delayed.hurried = True
        self._steps.fail_all(error)


def replace_growing_parts() -> None:
    """Install the replacements; call this before the first client is built."""
    vars(resonate.resonate)["ContextLogger"] = SilentLogger
    vars(resonate.bridge)["DelayQ"] = WakingDelayQ
    vars(resonate.bridge)["Processor"] = StepThreads
    vars(resonate.scheduler)["Graph"] = IndexedGraph
    vars(resonate.scheduler)["Node"] = IndexedNode
    vars(resonate.scheduler)["Computation"] = IndexedComputation
