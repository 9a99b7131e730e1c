"""What a worker counts, by methods that are named after what has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from durable_http.errors import ResultTooLarge
from shared.metrics import OTHER, Meter, StoreCalls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.metrics import Children, Count

EXECUTION_BUCKETS: Final = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    *(60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0),
)
"""Upper bounds in seconds: executions can take milliseconds or days."""

STEP_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 3600.0)

ENDS: Final = ("resolved", "rejected", "canceled", "timedout")
"""States in which executions end."""


class WorkerMetrics:
    """Counts for one worker. Functions that are none of `versions` are counted as `other`.

    Safe to use from any thread.
    """

    def __init__(self, versions: Mapping[str, Sequence[int]], *, on: bool = True) -> None:
        self._versions = versions
        self.meter = meter = Meter(on=on)
        self.store = StoreCalls(meter)
        self._claims = meter.counts(
            "durable_http_worker_claims_total",
            "Claims of tasks, by what the server answered.",
            "outcome",
        )
        self._prepare(self._claims, "granted", "refused", "unanswered")
        self._lost = meter.counts(
            "durable_http_worker_claims_lost_total",
            "Granted claims that ended before their executions did, by the reason.",
            "reason",
        )
        self._prepare(self._lost, "lease", "over", "unanswered", "other")
        self._slots_given_up = meter.count(
            "durable_http_worker_slots_given_up_total",
            "Executions whose slot went on without waiting for their code.",
        )
        self._count_executions(meter)
        self._count_steps(meter)
        self._drains = meter.count(
            "durable_http_worker_drains_total", "Drains: seen while the worker stops."
        )
        self._recycles = meter.counts(
            "durable_http_worker_recycles_total",
            "Drains of a worker that had too much of something to go on.",
            "reason",
        )
        self._prepare(self._recycles, "memory", "threads")

    @classmethod
    def off(cls) -> Self:
        """Return what counts nothing."""
        return cls({}, on=False)

    @staticmethod
    def _prepare(counts: Children[Count], *values: str) -> None:
        """Begin at 0 with all values: the first count of one is no increase for Prometheus."""
        for value in values:
            counts.of(value)

    def _count_executions(self, meter: Meter) -> None:
        self._executions = meter.counts(
            "durable_http_worker_executions_total",
            "Executions that this worker has ended.",
            *("function", "version", "state"),
        )
        for name, versions in self._versions.items():
            for version in versions:
                for state in ENDS:
                    self._executions.of(name, str(version), state)
        self._execution_seconds = meter.distributions(
            "durable_http_worker_execution_duration_seconds",
            "Time from an execution's begin to its end, waits and delays included.",
            EXECUTION_BUCKETS,
            "function",
        )
        self._recoveries = meter.count(
            "durable_http_worker_recoveries_total",
            "Executions that this worker has taken over from one that was lost.",
        )
        self._refused = meter.count(
            "durable_http_worker_values_refused_total",
            "Results of steps and executions that were larger than MAX_RESULT_BYTES.",
        )

    def _count_steps(self, meter: Meter) -> None:
        self._steps = meter.counts(
            "durable_http_worker_steps_total", "Steps that have ended here.", "outcome"
        )
        self._prepare(self._steps, "resolved", "rejected")
        self._step_seconds = meter.distribution(
            "durable_http_worker_step_duration_seconds",
            "Time of an attempt of a step that has a result.",
            STEP_BUCKETS,
        )
        self._retries = meter.count(
            "durable_http_worker_step_retries_total",
            "Attempts of steps that failed and are made again.",
        )

    def claimed(self, outcome: str) -> None:
        """Count a claim that was `granted` or `refused`, or got no answer (`unanswered`)."""
        self._claims.of(outcome).inc()

    def claim_lost(self, reason: str) -> None:
        """Count a claim that ended before its execution did."""
        self._lost.of(reason).inc()

    def slot_given_up(self) -> None:
        """Count an execution whose slot goes on without it."""
        self._slots_given_up.inc()

    def ended(self, function: str | None, version: int, state: str, seconds: float) -> None:
        """Count an execution's end, so many seconds after its begin."""
        known = function is not None and version in self._versions.get(function, ())
        name = function if known and function is not None else OTHER
        self._executions.of(name, str(version) if known else OTHER, state).inc()
        self._execution_seconds.of(name).observe(seconds)

    def recovered(self) -> None:
        """Count an execution that was taken over from a lost worker."""
        self._recoveries.inc()

    def body_failed(self, error: BaseException) -> None:
        """Count the result of an execution if the error is that it was too large."""
        if isinstance(error, ResultTooLarge):
            self._refused.inc()

    def step_resolved(self, seconds: float) -> None:
        """Count a step whose attempt of so many seconds has a result."""
        self._steps.of("resolved").inc()
        self._step_seconds.observe(seconds)

    def step_failed(self, error: BaseException, *, is_final: bool) -> None:
        """Count an attempt that has failed; if it is the last one, its step has."""
        if isinstance(error, ResultTooLarge):
            self._refused.inc()
        if is_final:
            self._steps.of("rejected").inc()
        else:
            self._retries.inc()

    def drained(self) -> None:
        """Count that this worker takes nothing new any more."""
        self._drains.inc()

    def recycled(self, reason: str) -> None:
        """Count that this worker is to be replaced, because of `memory` or `threads`."""
        self._recycles.of(reason).inc()
