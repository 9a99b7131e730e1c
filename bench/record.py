"""The record of a run: the machine, versions and flags, and every figure, as one JSON file."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tests.support.server import binary
from tools.server import CONFIG, ROOT, version_of

if TYPE_CHECKING:
    from collections.abc import Container

FORMAT: Final = 1
RESULTS: Final = ROOT / "bench" / "results"
PACKAGES: Final = ("resonate-sdk", "aiohttp", "uvloop", "fastapi", "uvicorn")


class Sample(msgspec.Struct, frozen=True):
    """The figures of one case of a part at one subject in one round."""

    part: str
    subject: str
    case: str
    round: int
    values: dict[str, float]


class Failure(msgspec.Struct, frozen=True):
    """A part that a subject did not survive, or did not do in time."""

    part: str
    subject: str
    round: int
    reason: str


class Machine(msgspec.Struct, frozen=True):
    """What the run ran on; `busy` is how many processes wanted a core just before it."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    busy: float


class Record(msgspec.Struct):
    """One run."""

    format: int
    made: str
    commit: str
    long: bool
    rounds: int
    seconds: float
    machine: Machine
    versions: dict[str, str]
    server_configuration: str
    samples: list[Sample] = []
    failures: list[Failure] = []
    notes: list[str] = []
    """What a reader must know of how the figures came about."""

    def median(self, part: str, subject: str, case: str, value: str) -> float | None:
        """Return the median of a figure over all rounds, or None if it was not measured."""
        found = self.rounds_of(part, subject, case, value)
        return statistics.median(found) if found else None

    def rounds_of(self, part: str, subject: str, case: str, value: str) -> list[float]:
        """Return a figure of each round."""
        samples = self.of(part, subject, case)
        return [sample.values[value] for sample in samples if value in sample.values]

    def of(self, part: str, subject: str, case: str) -> list[Sample]:
        """Return the samples of a case at a subject."""
        key = part, subject, case
        return [s for s in self.samples if (s.part, s.subject, s.case) == key]

    def take(self, other: Record, without: Container[str]) -> None:
        """Take over what another record has of other parts, from the same code and machine."""
        if (other.commit, other.machine.cpu) != (self.commit, self.machine.cpu):
            raise ValueError(f"the other record is of commit {other.commit} on {other.machine.cpu}")
        taken = dict.fromkeys(s.part for s in other.samples if s.part not in without)
        self.notes += [*other.notes, f"{', '.join(taken)}: from the run of {other.made}"]
        self.samples += [sample for sample in other.samples if sample.part not in without]
        self.failures += [failure for failure in other.failures if failure.part not in without]

    def cases(self) -> dict[tuple[str, str], list[str]]:
        """Return the subjects of each part and case, in the order in which they were measured."""
        found: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for sample in self.samples:
            found[sample.part, sample.case][sample.subject] = None
        return {key: list(subjects) for key, subjects in found.items()}


def new_record(*, long: bool, rounds: int, seconds: float) -> Record:
    """Return an empty record of this machine, now."""
    server = version_of(binary()) or ()
    return Record(
        format=FORMAT,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        long=long,
        rounds=rounds,
        seconds=seconds,
        machine=machine(),
        versions={
            "python": platform.python_version(),
            "resonate-server": ".".join(map(str, server)),
            **{name: _version(name) for name in PACKAGES},
        },
        server_configuration=CONFIG.read_text(),
    )


def machine() -> Machine:
    """Describe this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        cpu=models[0] if models else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory, 1),
        system=f"{platform.system()} {platform.release()}",
        busy=round(os.getloadavg()[0], 2),
    )


def commit() -> str:
    """Return the commit of the code, with a `+` if files differ from it."""
    named = _git("rev-parse", "HEAD")[:12]
    return named + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def write(record: Record, path: Path) -> None:
    """Write a record; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    part.replace(path)


def read(path: Path) -> Record:
    """Return a record. Raises `msgspec.ValidationError` if the file has another form."""
    return msgspec.json.decode(path.read_bytes(), type=Record)


def last_committed() -> Record | None:
    """Return the newest record in the repository, or None."""
    names = sorted(_git("ls-files", "bench/results/*.json").splitlines())
    return read(ROOT / names[-1]) if names else None


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
