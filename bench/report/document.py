"""Writes docs/performance.md and its plots from a record."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from bench.parts.all_parts import PARTS
from bench.parts.profile import PROFILE
from bench.report.goals import results
from bench.report.plots import draw
from bench.report.words import HEAD, PROFILED, REPEAT
from bench.stacks.subjects import SUBJECTS
from bench.studies import STUDIES
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.record import Record

DOCS: Final = ROOT / "docs"
COLUMNS: Final = {
    "rate": "/s",
    "rate_95": "/s, 95 %",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "p999_ms": "p99.9 ms",
    "failed": "failed",
    "cpu_gateway_us": "CPU gateway µs",
    "cpu_workers_us": "workers µs",
    "cpu_server_us": "server µs",
}
"""The figures of a load, in their order; a table has those columns for which there are figures."""

LEAST_SHARE: Final = 1.0
"""Percent from which a share is shown."""

NOT_SHOWN: Final = ("calls_", "mib_", "max_ms", "count")
"""Beginnings of figures that are in the JSON file, or in tables of their own."""


def write_document(record: Record, name: str, docs: Path = DOCS) -> Path:
    """Write performance.md and its plots into the folder; `name` is that of the record's file."""
    plots = draw(record, docs / "performance")
    path = docs / "performance.md"
    path.write_text(text(record, name, [plot.name for plot in plots]))
    return path


def text(record: Record, name: str, plots: list[str]) -> str:
    """Return the page; `plots` are the names of its pictures."""
    subjects = "\n".join(f"- `{each.name}`: {each.text}" for each in SUBJECTS.values())
    studies = ", ".join(f"`{study}`" for study in STUDIES)
    blocks = [
        HEAD.format(subjects=subjects),
        "## The goals\n\n" + "\n".join(_goals(record)) + "\n",
        "\n".join(f"![{plot.removesuffix('.svg')}](performance/{plot})" for plot in plots) + "\n",
        "## The machine\n\n" + "\n".join(_machine(record, name)) + "\n",
        *(f"## {part}\n\n" + "\n".join(_part(record, part)) + "\n" for part in _parts(record)),
        "## Where the time goes\n\n" + "\n".join(_profiles(record)) + "\n",
        "## Calls to the server\n\n" + "\n".join(_calls(record)) + "\n",
        "## Memory\n\n" + "\n".join(_memory(record)) + "\n",
        "## What failed\n\n" + "\n".join(_failures(record)) + "\n",
        REPEAT.format(studies=studies),
    ]
    return "\n".join(blocks)


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _goals(record: Record) -> Iterator[str]:
    rows = []
    for each in results(record):
        goal = each.goal
        measured = "none"
        if each.rounds:
            spread = f"{number(min(each.rounds))} to {number(max(each.rounds))}"
            measured = f"{number(each.median)} {goal.unit} ({spread}; {len(each.rounds)})"
        words = f"{goal.text} {each.detail}".strip()
        rows.append([str(goal.number), words, goal.bound, measured, each.verdict])
    return table(["", "what", "goal", "measured (range; rounds)", ""], rows)


def _machine(record: Record, name: str) -> Iterator[str]:
    machine, kind = record.machine, "long" if record.long else "short"
    yield f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gib:g} GiB, {machine.system}"
    yield f"- load of the machine before the run: {machine.busy:g} processes"
    yield "- " + ", ".join(f"{each} {version}" for each, version in record.versions.items())
    yield f"- commit {record.commit}; the {kind} run with {record.rounds} rounds and"
    yield f"  {record.seconds:g} s for each load, made on {record.made}"
    yield from (f"- {note}" for note in record.notes)
    yield f"- all figures of all rounds: [{name}](../bench/results/{name})"


def _parts(record: Record) -> list[str]:
    measured = {part for part, _ in record.cases()}
    return [name for name in PARTS if name in measured and name != PROFILE]


def _part(record: Record, part: str) -> Iterator[str]:
    keys = [
        (case, subject)
        for (name, case), subjects in record.cases().items()
        if name == part
        for subject in subjects
    ]
    found = {value for s in record.samples if s.part == part for value in s.values}
    others = sorted(v for v in found - COLUMNS.keys() if not v.startswith(NOT_SHOWN))
    columns = [*others, *(value for value in COLUMNS if value in found)]
    rows = [
        [case, subject, *(_spread(record.rounds_of(part, subject, case, v)) for v in columns)]
        for case, subject in keys
    ]
    return table(["case", "subject", *(COLUMNS.get(v, v) for v in columns)], rows)


def _profiles(record: Record) -> Iterator[str]:
    yield PROFILED
    yield ""
    rows = []
    for sample in record.samples:
        if sample.part == PROFILE:
            shares = {k: v for k, v in sample.values.items() if k.startswith("share_")}
            largest = sorted(shares.items(), key=lambda pair: -pair[1])
            words = ", ".join(
                f"{name.removeprefix('share_')} {number(share)} %"
                for name, share in largest
                if share >= LEAST_SHARE
            )
            rows.append(
                [
                    sample.case,
                    number(sample.values["cpu_us"]),
                    f"{number(sample.values['kernel'])} %",
                    f"{words} ({number(sample.values['samples'])} samples)",
                ]
            )
    yield from table(["what: process", "CPU µs", "in the kernel", "of the interpreter"], rows)


def _calls(record: Record) -> Iterator[str]:
    rows = [
        [part, case, subject, words]
        for (part, case), subjects in record.cases().items()
        if part in {"begin", "wait", "jobs"}
        for subject in subjects
        if (words := _calls_of(record, part, subject, case))
    ]
    return table(["part", "case", "subject", "calls for one operation"], rows)


def _calls_of(record: Record, part: str, subject: str, case: str) -> str:
    samples = record.of(part, subject, case)
    kinds = sorted({name for each in samples for name in each.values if name.startswith("calls_")})
    medians = {kind: statistics.median(s.values.get(kind, 0.0) for s in samples) for kind in kinds}
    return ", ".join(
        f"{kind.removeprefix('calls_')} {number(median)}"
        for kind, median in medians.items()
        if median >= 0.05
    )


def _memory(record: Record) -> Iterator[str]:
    roles = ("mib_gateway", "mib_workers", "mib_server")
    rows = [
        [subject, *(_spread(record.rounds_of("jobs", subject, "foo", role)) for role in roles)]
        for subject in SUBJECTS
        if record.rounds_of("jobs", subject, "foo", roles[0])
    ]
    yield "Resident MiB after the executions of `jobs`; three workers together."
    yield ""
    yield from table(["subject", "gateway", "workers", "server"], rows)


def _failures(record: Record) -> Iterator[str]:
    if not record.failures:
        yield "Nothing."
        return
    rows = [[f.part, f.subject, str(f.round), _line(f.reason)] for f in record.failures]
    yield from table(["part", "subject", "round", "reason"], rows)


def _line(text: str) -> str:
    """Return a text as it can stand in a cell of a table."""
    return " ".join(text.replace("|", "/").split())


def _spread(found: list[float]) -> str:
    if not found:
        return ""
    median = number(statistics.median(found))
    if len(found) == 1 or min(found) == max(found):
        return median
    return f"{median} ({number(min(found))} to {number(max(found))})"


def number(value: float) -> str:
    """Return a number with three digits that count, and thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
