"""What a tab's main thread did, from a trace of Chromium's."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CATEGORIES: Final = (
    *("devtools.timeline", "disabled-by-default-devtools.timeline"),
    *("blink.user_timing", "toplevel"),
)
TASK: Final = "RunTask"
DRAWING: Final = "drawing"
"""What the page calls the measure of each of its drawings."""

PARTS: Final = {
    "script": ("FunctionCall", "EvaluateScript", "TimerFire", "RunMicrotasks"),
    "style": ("UpdateLayoutTree", "RecalculateStyles"),
    "layout": ("Layout",),
    "paint": ("PrePaint", "Paint", "Layerize", "Commit"),
    "garbage": ("MajorGC", "MinorGC", "BlinkGC.AtomicPhase"),
}


@dataclass(frozen=True)
class Update:
    """Milliseconds of the main thread from one drawing to the next, and of its longest task.

    `cpu` counts only while the thread had a core.
    """

    wall: float
    cpu: float
    longest: float
    parts: dict[str, float]


def updates_of(trace: bytes) -> list[Update]:
    """Return the updates of a page; what comes before its first drawing is the first one."""
    events = orjson.loads(trace)["traceEvents"]
    thread = _main_thread(events)
    own = [event for event in events if (event["pid"], event["tid"]) == thread]
    drawings = sorted(
        event["ts"]
        for event in events
        if event["name"] == DRAWING and event["ph"] in {"b", "X"} and event["pid"] == thread[0]
    )
    windows: list[list[dict[str, Any]]] = [[] for _ in drawings]
    for event in own:
        if event["ph"] == "X" and drawings:
            windows[max(bisect.bisect_right(drawings, event["ts"]) - 1, 0)].append(event)
    return [_update(window) for window in windows]


def _main_thread(events: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Return the process and thread that have drawn."""
    processes = {event["pid"] for event in events if event["name"] == DRAWING}
    for event in events:
        is_main = event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        if is_main and event["pid"] in processes:
            return event["pid"], event["tid"]
    raise RuntimeError("the trace has no drawing")


def _update(events: Sequence[dict[str, Any]]) -> Update:
    tasks = [event for event in events if event["name"] == TASK]
    return Update(
        sum(event["dur"] for event in tasks) / 1000,
        sum(event.get("tdur", 0) for event in tasks) / 1000,
        max((event["dur"] for event in tasks), default=0) / 1000,
        {
            part: sum(event["dur"] for event in events if event["name"] in names) / 1000
            for part, names in PARTS.items()
        },
    )
