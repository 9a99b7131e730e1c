"""Measures the service beside the stock stack: `python -m bench [NAME…]`, or `make bench`.

A name is that of a part or of a study. Without names all parts of the short run are measured, with
--long all parts and studies. `python -m bench report [FILE]` makes docs/performance.md from a
record.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import record as records
from bench.parts.all_parts import PARTS
from bench.parts.part import Options
from bench.report.compare import summary
from bench.report.document import write_document
from bench.run import run
from bench.stacks.service import end_children
from bench.stacks.subjects import SUBJECTS
from bench.studies import STUDIES, run_study
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from bench.parts.part import Part

LATEST: Final = ROOT / ".state" / "bench.json"
"""Where a run is written; what is committed lies in bench/results."""


def main(arguments: Sequence[str]) -> int:
    """Return 0 if all was measured, 1 if a part failed, 130 after Ctrl-C."""
    if arguments[:1] == ["report"]:
        return report([Path(name) for name in arguments[1:]])
    given = _parser().parse_args(arguments)
    known = (*PARTS, *STUDIES)
    if unknown := set(given.names) - set(known):
        print(f"bench: there is no {', '.join(unknown)} but {', '.join(known)}", file=sys.stderr)
        return 2
    names = given.names or [
        *(name for name, part in PARTS.items() if given.long or not part.long),
        *(STUDIES if given.long else ()),
    ]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return measure(names, given)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        end_children()


def measure(names: Sequence[str], given: argparse.Namespace) -> int:
    """Measure parts and then studies; return 0, or 1 if a part failed."""
    parts = [PARTS[name] for name in names if name in PARTS]
    sound = measure_parts(parts, given) if parts else True
    for name in names:
        if name in STUDIES:
            run_study(name)
    return 0 if sound else 1


def measure_parts(parts: Sequence[Part], given: argparse.Namespace) -> bool:
    """Measure parts, write their record and print what it says; return whether none has failed."""
    options = Options(given.seconds, long=given.long)
    record = records.new_record(long=given.long, rounds=given.rounds, seconds=given.seconds)
    if given.add:
        record.take(records.read(given.add), {part.name for part in parts})
    path = given.out or LATEST
    try:
        for _ in run(record, parts, options, given.subjects or ()):
            records.write(record, path)
    finally:
        # Also what an interrupted run has measured.
        records.write(record, path)
    print(summary(record, records.last_committed()))
    print(f"written: {path}")
    return not record.failures


def report(files: Sequence[Path]) -> int:
    """Make the page from a record: the one given, or the newest of bench/results."""
    found = list(files) or sorted(records.RESULTS.glob("*.json"))
    if not found:
        print("bench: there is no record; make one with make bench", file=sys.stderr)
        return 2
    print(f"written: {write_document(records.read(found[-1]), found[-1].name)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*PARTS, *STUDIES)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load")
    parser.add_argument("--long", action="store_true", help="all parts, at their full size")
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, help="by default all")
    parser.add_argument("--add", type=Path, help="a JSON file, from which other parts are taken")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    # The first signal ends the run; another one must not end its tidying up.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
