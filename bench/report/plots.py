"""The plots of docs/performance.md, as SVG files whose text is text."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bench.record import Record

BARS: Final = {
    "begins": ("Begins a second, 32 clients, no worker", [("begin", "unique")]),
    "begins-working": ("Begins a second while 3 workers work", [("begin-working", "unique")]),
    "waits": (
        "Polls a second, 32 clients",
        [("wait", "finished"), ("wait", "pending")],
    ),
    "executions": (
        "Executions a second, begin to done, 3 workers",
        [("jobs", "foo"), ("jobs", "steps-3")],
    ),
}
"""Title and cases of each plot with bars."""

LINES: Final = {
    "finished": ("Rate beside finished executions, of an empty store's", "finished", True),
    "backlog": ("Begins beside waiting executions, of an empty store's", "backlog", True),
    "workers": ("Executions a second by workers", "workers", False),
    "sizes": ("Executions a second by KiB of input and result", "sizes", False),
}
"""Title and part of each plot with lines, and whether it shows ratios to the case `0`."""

SIZE: Final = (7.5, 3.2)
"""Inches."""

NUMBER: Final = re.compile(r"[\d.]+")
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(record: Record, folder: Path) -> list[Path]:
    """Write every plot for which there are figures, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        return [path for path in _draw_all(record, folder) if path is not None]


def _draw_all(record: Record, folder: Path) -> Iterator[Path | None]:
    for name, (title, cases) in BARS.items():
        yield _bars(record, folder / f"{name}.svg", title, cases)
    for name, (title, part, relative) in LINES.items():
        series = _series(record, part, relative=relative)
        yield _lines(folder / f"{name}.svg", title, series)


def _bars(record: Record, path: Path, title: str, cases: Iterable[tuple[str, str]]) -> Path | None:
    """Draw a bar for each subject, with the range over the rounds; the axis is logarithmic."""
    all_cases = record.cases()
    rows = [
        (f"{subject}, {case}" if case != "unique" else subject, found)
        for part, case in cases
        for subject in all_cases.get((part, case), [])
        if (found := record.rounds_of(part, subject, case, "rate"))
    ]
    if not rows:
        return None
    canvas, axes = _canvas(title)
    medians = [statistics.median(found) for _, found in rows]
    low = [median - min(found) for median, (_, found) in zip(medians, rows, strict=True)]
    high = [max(found) - median for median, (_, found) in zip(medians, rows, strict=True)]
    labels = [label for label, _ in rows]
    colors = ["#1f6f8b" if label.startswith("ours") else "#b8b8b8" for label in labels]
    bars = axes.barh(labels, medians, xerr=[low, high], color=colors, ecolor="#555555", capsize=2)
    axes.bar_label(bars, labels=[f"  {median:,.0f}" for median in medians], label_type="edge")
    axes.set_xscale("log")
    axes.set_xlim(right=max(medians) * 3)
    axes.invert_yaxis()
    return _save(canvas, path)


def _lines(path: Path, title: str, series: dict[str, dict[float, float]]) -> Path | None:
    """Draw a line for each series with two points or more."""
    drawn = {name: points for name, points in series.items() if len(points) > 1}
    if not drawn:
        return None
    canvas, axes = _canvas(title)
    for name, points in sorted(drawn.items()):
        places = sorted(points)
        axes.plot(places, [points[place] for place in places], marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return _save(canvas, path)


def _series(record: Record, part: str, *, relative: bool) -> dict[str, dict[float, float]]:
    """Return the points of each kind of case; a case is named `kind, x` or `kind, x: level`."""
    found: dict[str, dict[float, float]] = {}
    for (name, case), subjects in record.cases().items():
        kind, _, place = case.rpartition(", ")
        if name != part or (relative and (":" not in place or place.endswith(": 0"))):
            continue
        for subject in subjects:
            rate = record.median(part, subject, case, "rate")
            if relative and rate is not None:
                empty = record.median(part, subject, f"{case.rpartition(' ')[0]} 0", "rate")
                rate = rate / empty if empty else None
            match = NUMBER.match(place.rpartition(": ")[2])
            if rate is not None and match:
                label = f"{subject}, {kind}" if kind else subject
                found.setdefault(label, {})[float(match[0])] = rate
    return found


def _canvas(title: str) -> tuple[Canvas, Any]:
    canvas = Canvas(figsize=SIZE, layout="constrained")
    axes = canvas.subplots()
    axes.set_title(title, loc="left")
    return canvas, axes


def _save(canvas: Canvas, path: Path) -> Path:
    # Without a date, so that the same record makes the same file.
    canvas.savefig(path, format="svg", metadata={"Date": None})
    return path
