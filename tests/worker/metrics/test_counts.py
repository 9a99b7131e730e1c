"""What a worker counts, whatever it is told."""

from __future__ import annotations

from durable_http.errors import ResultTooLarge
from shared.metrics import exposition
from tests.support.metrics import Scraped
from worker.metrics.counts import WorkerMetrics

EXECUTIONS = "durable_http_worker_executions_total"


def read(metrics: WorkerMetrics) -> Scraped:
    """Return what is exposed."""
    content_type, text = exposition(metrics.meter.collect(), False)  # noqa: FBT003 - by its place
    return Scraped.read(text.decode(), content_type)


def test_only_functions_of_the_catalog_are_named() -> None:
    """Names and versions that the worker does not have are `other`, however many there are."""
    metrics = WorkerMetrics({"pay": [1, 2]})
    before = read(metrics).series()
    for n in range(100):
        metrics.ended(f"pay{n}", 1, "rejected", 1.0)
        metrics.ended("pay", 3 + n, "rejected", 1.0)
    metrics.ended(None, 0, "rejected", 1.0)
    metrics.ended("pay", 2, "resolved", 1.0)
    found = read(metrics)

    assert found.value(EXECUTIONS, function="pay", version="2", state="resolved") == 1
    assert found.value(EXECUTIONS, function="other", version="other", state="rejected") == 201
    assert found.labels(EXECUTIONS, "function") == {"pay", "other"}
    assert found.series() - before < 50


def test_what_can_be_counted_begins_at_zero() -> None:
    """The first failure of a function is an increase, so its series is there before."""
    found = read(WorkerMetrics({"pay": [1]}))

    states = {labels["state"]: n for labels, n in found.samples(EXECUTIONS)}
    assert states == {"resolved": 0, "rejected": 0, "canceled": 0, "timedout": 0}
    for name, label, values in (
        ("claims", "outcome", {"granted", "refused", "unanswered"}),
        ("claims_lost", "reason", {"lease", "over", "unanswered", "other"}),
        ("steps", "outcome", {"resolved", "rejected"}),
    ):
        assert found.labels(f"durable_http_worker_{name}_total", label) == values


def test_a_result_that_is_too_large_is_counted_once() -> None:
    """A step whose result is too large has failed, and no other error counts as that."""
    metrics = WorkerMetrics({})
    metrics.step_failed(ResultTooLarge("2 MiB"), is_final=True)
    metrics.step_failed(ValueError(), is_final=False)
    metrics.body_failed(ResultTooLarge("2 MiB"))
    metrics.body_failed(ValueError())
    found = read(metrics)

    assert found.value("durable_http_worker_values_refused_total") == 2
    assert found.value("durable_http_worker_steps_total", outcome="rejected") == 1
    assert found.value("durable_http_worker_step_retries_total") == 1


def test_off_nothing_is_counted() -> None:
    """What counts nothing takes all the same, and shows nothing."""
    metrics = WorkerMetrics.off()
    metrics.ended("pay", 1, "resolved", 1.0)
    metrics.step_resolved(1.0)
    metrics.claimed("granted")
    metrics.store.called("GET", "/ping", 200, 1.0)

    assert read(metrics).families == {}
