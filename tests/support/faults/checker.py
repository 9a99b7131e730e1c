"""Judges a history of requests and faults: was every promise kept?

A history is a list of events, one JSON object each:

    {"kind": "begin", "id", "at", "status", "own"}   status 0: no answer came; own: see below
    {"kind": "read", "id", "at", "body"}             an answer 200 of /wait
    {"kind": "step", "id", "at", "step", "worker"}   a worker's log says that it began a step
    {"kind": "fault", "at", "until", "what", "worker"}
    {"kind": "harm", "at", "until", "worker"}        what a fault that was counted does later
    {"kind": "death", "at", "worker"}                a worker's process ended by itself
    {"kind": "attack", "at", "what"}                 abuse, which excuses nothing
    {"kind": "healed", "at"}                         the last fault is over

Times are seconds. `own` are the seconds that an execution takes by itself. `worker` is the one
whose claims a fault can end, `*` all of them; without it no claim is lost. `until` is the time when
a fault is over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

type Event = dict[str, Any]

RECOVERY_SECONDS = 30.0
BESIDE_SECONDS = 10.0
"""Seconds besides its own that an execution may take beside attacks and the deaths they cause."""

CLOCK_SECONDS = 0.1
"""The server takes its times at the beginning of a turn, in whole milliseconds."""


@dataclass
class Verdict:
    """What a history shows; it is fine if there are no `faults`."""

    accepted: int = 0
    resolved: int = 0
    repeated: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    longest_recovery: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Disturbance:
    """A fault, or the death of a worker; `worker` is the one that can lose claims by it."""

    at: float
    until: float
    worker: str = ""
    is_death: bool = False

    @classmethod
    def of(cls, event: Event) -> Disturbance:
        at: float = event["at"]
        return cls(at, event.get("until", at), event.get("worker", ""), event["kind"] == "death")

    def explains(self, first: Event, second: Event) -> bool:
        """Return whether a step could be lost between two starts of it."""
        # A worker that was frozen can log a start late, after the start of who has its claim now.
        workers = {first["worker"]} if self.is_death else {first["worker"], second["worker"]}
        meets = self.until >= first["at"] - CLOCK_SECONDS and self.at <= second["at"]
        return meets and (self.worker == "*" or self.worker in workers)


@dataclass
class _Facts:
    """A history in order."""

    accepted: dict[str, Event] = field(default_factory=dict)
    reads: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[tuple[str, str], list[Event]] = field(default_factory=lambda: defaultdict(list))
    disturbances: list[Disturbance] = field(default_factory=list)
    healed: float = 0.0


def check(history: Iterable[Event]) -> Verdict:
    """Judge a history.

    Every accepted execution must have ended within `RECOVERY_SECONDS` of the last fault, with one
    result for ever; one that met no fault within its own time and `BESIDE_SECONDS`. No step may
    begin again once a reader has seen it finished, nor before, unless its worker can have lost it.
    """
    verdict, facts = Verdict(), _Facts()
    for event in history:
        _take(event, verdict, facts)
    facts.disturbances.sort(key=lambda disturbance: disturbance.at)
    verdict.accepted = len(facts.accepted)
    for id, begin in facts.accepted.items():
        _check_end(verdict, begin, facts.reads[id], facts)
    _check_steps(verdict, facts)
    return verdict


def _take(event: Event, verdict: Verdict, facts: _Facts) -> None:
    match event["kind"]:
        case "begin" if event["status"] in {200, 202}:
            facts.accepted.setdefault(event["id"], event)
        case "read":
            facts.reads[event["id"]].append(event)
        case "step":
            facts.steps[event["id"], event["step"]].append(event)
        case "harm":
            facts.disturbances.append(Disturbance.of(event))
        case "fault" | "death" | "attack":
            verdict.injected[event.get("what", "death of a worker")] += 1
            if event["kind"] != "attack":
                facts.disturbances.append(Disturbance.of(event))
        case "healed":
            facts.healed = event["at"]
        case _:
            pass


def _check_end(verdict: Verdict, begin: Event, reads: list[Event], facts: _Facts) -> None:
    id, began = begin["id"], begin["at"]
    done = [read for read in reads if read["body"]["done"]]
    if not done:
        verdict.faults.append(f"{id} was accepted and never ended")
        return
    first = done[0]
    ended = first["body"]["ended_at"]
    free_since = max(facts.healed, began)
    verdict.longest_recovery = max(verdict.longest_recovery, ended - free_since)
    if ended - free_since > RECOVERY_SECONDS:
        verdict.faults.append(f"{id} ended {ended - free_since:.1f} s after the last fault")
    elif "own" in begin and ended > _latest_end(began, begin["own"], facts.disturbances):
        took, own = ended - began, begin["own"]
        verdict.faults.append(f"{id} took {took:.1f} s; by itself it takes {own:g} s")
    outcome = _outcome(first)
    if any(_outcome(read) != outcome for read in done):
        verdict.faults.append(f"{id} has more than one result")
    if any(not read["body"]["done"] and read["at"] > first["at"] for read in reads):
        verdict.faults.append(f"{id} went back to pending")
    if first["body"]["status"] == "resolved":
        verdict.resolved += 1
    else:
        verdict.faults.append(f"{id} ended {first['body']['status']}: {outcome}")


def _latest_end(began: float, own: float, disturbances: list[Disturbance]) -> float:
    """Return when an execution must have ended: a fault that meets it gives it time to recover.

    A death that an attack has caused gives none: what runs beside attacks is to be in time.
    """
    latest = began + own + BESIDE_SECONDS
    for met in disturbances:
        if not met.is_death and met.at <= latest and met.until >= began:
            latest = max(latest, met.until + own + RECOVERY_SECONDS)
    return latest


def _check_steps(verdict: Verdict, facts: _Facts) -> None:
    finished: dict[tuple[str, str], float] = {}
    for id, seen in facts.reads.items():
        for read in seen:
            for step in read["body"].get("steps", []):
                if step["status"] == "resolved":
                    finished.setdefault((id, step["name"]), step["ended_at"])
    for (id, name), unsorted in facts.steps.items():
        starts = sorted(unsorted, key=lambda start: start["at"])
        verdict.repeated += len(starts) - 1
        end = finished.get((id, name))
        if end is not None and any(start["at"] > end + CLOCK_SECONDS for start in starts[1:]):
            verdict.faults.append(f"{id}: {name} began again after it had finished")
            continue
        for first, second in pairwise(starts):
            if not any(met.explains(first, second) for met in facts.disturbances):
                verdict.faults.append(f"{id}: {name} began again though {first['worker']} lived")


def _outcome(read: Event) -> tuple[Any, Any]:
    return read["body"].get("result"), read["body"].get("error")
