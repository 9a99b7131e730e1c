"""The cache of executions counts the memory that they take."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import orjson
import pytest

from gateway.model.execution import Execution
from gateway.updates import cache
from gateway.updates.cache import ExecutionCache
from shared.resonate.codec import Failure
from shared.resonate.large_values import Reference

MIB = 1024 * 1024


def execution(number: int, raw: str, field: str) -> Execution:
    """Return an ended execution with this text, read from JSON as the server's answers are."""
    text = orjson.loads(orjson.dumps(raw))
    orjson.loads(orjson.dumps(text))
    return Execution(
        id=f"job-{number}",
        status="resolved",
        function="foo",
        input=text if field == "input" else "null",
        created_at=number,
        timeout_at=number,
        result=text if field == "result" else "null",
        error=Failure("E", text) if field == "error" else None,
    )


@pytest.mark.parametrize("field", ["input", "result", "error"])
@pytest.mark.parametrize(
    "text", ["x" * 10_000, "é" * 10_000, "日" * 10_000, "😀" + "x" * 10_000, "x"]
)
def test_the_budget_is_memory(monkeypatch: pytest.MonkeyPatch, field: str, text: str) -> None:
    """However its texts are made, a full cache takes no more than its budget."""
    monkeypatch.setattr(cache, "FINISHED_BYTES", MIB)
    kept = ExecutionCache()

    tracemalloc.start()
    try:
        for number in range(1500):
            kept.learn(execution(number, text, field))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.4 * MIB < taken < 1.05 * MIB
    assert kept.finished("job-1499") is not None


def test_large_values_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large input or result only its place is kept, which counts as the memory it takes."""
    monkeypatch.setattr(cache, "FINISHED_BYTES", MIB)
    kept = ExecutionCache()

    tracemalloc.start()
    try:
        for number in range(1500):
            owner = f"job-{number}".ljust(128, "x")
            places = [Reference.to(owner, f"{number}{kind}".encode()) for kind in ("a", "b")]
            small = execution(number, "x", "input")
            kept.learn(replace(small, id=owner, input=places[0], result=places[1]))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.4 * MIB < taken < 1.05 * MIB


def test_an_end_that_was_undone_is_forgotten() -> None:
    """An execution that is read as pending is not told as ended, until it has ended again."""
    kept, ended = ExecutionCache(), execution(1, "x", "result")
    pending = replace(ended, status="pending", result=None)
    kept.learn(ended)

    kept.learn(pending)
    assert kept.finished(ended.id) is None

    kept.learn(ended)
    kept.subscribe(pending)
    kept.clear()
    assert (kept.finished(ended.id), kept.subscribed(ended.id)) == (None, None)
