"""Snapshots as the gateway sends them to the page, made by hand."""

from __future__ import annotations

import time
from typing import Any, Final

COUNTS: Final = {
    "sample": 200,
    **dict.fromkeys(("pending", "queued", "scheduled", "running", "waiting", "retrying"), 0),
    **dict.fromkeys(("blocked", "recovering", "resolved", "rejected", "canceled", "timedout"), 0),
}


def ago(seconds: float) -> int:
    """Return a time in milliseconds since the epoch."""
    return int((time.time() - seconds) * 1000)


def segment(step: str, began: float, ended: float | None = None, **also: Any) -> dict[str, Any]:
    """Return a step that began and ended so many seconds ago."""
    end = None if ended is None else ago(ended)
    return {"step": step, "started_at": ago(began), "ended_at": end, "again": False, **also}


def bar(id: str, began: float, ended: float | None = None, **also: Any) -> dict[str, Any]:
    """Return a bar that began and ended so many seconds ago."""
    return {
        "id": id,
        "function": "checkout",
        "claimed_at": ago(began),
        "ended_at": None if ended is None else ago(ended),
        "attempt": 1,
        "recovered_from": None,
        "state": "running" if ended is None else "ended",
        "segments": [],
        **also,
    }


def worker(name: str, *bars: dict[str, Any], **also: Any) -> dict[str, Any]:
    """Return a worker with these bars."""
    return {
        "name": name,
        "pid": f"pid-of-{name}",
        "group": "worker",
        "started_at": ago(600),
        "slots": 16,
        "busy": sum(each["ended_at"] is None for each in bars),
        "offers": 0,
        "state": "alive",
        "ended_at": None,
        "functions": {"checkout": [1], "foo": [1]},
        "bars": list(bars),
        **also,
    }


def snapshot(*workers: dict[str, Any], **also: Any) -> dict[str, Any]:
    """Return a snapshot of now with these workers."""
    return {
        "at": ago(0),
        "gateway": "gateway",
        "server": "ok",
        "presence": "on" if workers else "no workers",
        "workers": list(workers),
        "bars_left_out": 0,
        "counts": COUNTS,
        "begins_per_second": None,
        "oldest_at": None,
        "ended": 0,
        "p50_ms": None,
        "p99_ms": None,
        "recoveries": {"count": 0, "last": None},
        **also,
    }


def recovered() -> dict[str, Any]:
    """Return a snapshot in which `job-1` was taken over from a lost worker, in its second step."""
    lost = bar("job-1", 20, 9, state="lost")
    lost["segments"] = [segment("reserve", 20, 15), segment("charge", 15, 9)]
    goes_on = bar("job-1", 8.94, attempt=2, recovered_from="worker-1")
    goes_on["segments"] = [segment("charge", 8.9, 4, again=True), segment("pack", 4)]
    last = {"id": "job-1", "from": "worker-1", "to": "worker-2", "seconds": 0.06, "step": "charge"}
    return snapshot(
        worker("worker-1", lost, state="dead", ended_at=ago(9), busy=0),
        worker("worker-2", goes_on),
        recoveries={"count": 1, "last": {**last, "at": ago(8.94)}},
    )


def many(workers: int, bars_each: int) -> dict[str, Any]:
    """Return a snapshot with very many bars, each with five segments."""
    names = ("reserve", "charge", "pack", "ship", "notify")
    found = []
    for number in range(workers):
        bars = []
        for place in range(bars_each):
            began = 5 + place * 50 / bars_each
            segments = [
                segment(name, began - index, began - index - 1) for index, name in enumerate(names)
            ]
            bars.append(
                bar(f"job-{number}-{place}", began, None if place % 2 else 0.1, segments=segments)
            )
        found.append(worker(f"worker-{number + 1}", *bars))
    return snapshot(*found)
