"""Judges a history of requests and faults: was every promise kept?

A history is a list of events, one JSON object each:

    {"kind": "begin", "id", "at", "status"}          status 0: no answer came
    {"kind": "read", "id", "at", "body"}             an answer 200 of /wait
    {"kind": "step", "id", "at", "step", "worker"}   a worker's log says that it began a step
    {"kind": "fault", "at", "what"}
    {"kind": "healed", "at"}                         the last fault is over

Times are seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

type Event = dict[str, Any]

RECOVERY_SECONDS = 30.0
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


def check(history: Iterable[Event]) -> Verdict:
    """Judge a history.

    Every accepted execution must have ended within `RECOVERY_SECONDS` of the last fault, with one
    result for ever, and no step may begin again once a reader has seen it finished.
    """
    verdict = Verdict()
    accepted: dict[str, float] = {}
    reads: dict[str, list[Event]] = defaultdict(list)
    steps: dict[tuple[str, str], list[float]] = defaultdict(list)
    healed = 0.0
    for event in history:
        match event["kind"]:
            case "begin" if event["status"] in {200, 202}:
                accepted.setdefault(event["id"], event["at"])
            case "read":
                reads[event["id"]].append(event)
            case "step":
                steps[event["id"], event["step"]].append(event["at"])
            case "fault":
                verdict.injected[event["what"]] += 1
            case "healed":
                healed = event["at"]
            case _:
                pass
    verdict.accepted = len(accepted)
    for id, began in accepted.items():
        _check_end(verdict, id, reads[id], max(healed, began))
    _check_steps(verdict, reads, steps)
    return verdict


def _check_end(verdict: Verdict, id: str, reads: list[Event], free_since: float) -> None:
    done = [read for read in reads if read["body"]["done"]]
    if not done:
        verdict.faults.append(f"{id} was accepted and never ended")
        return
    first = done[0]
    ended = first["body"]["ended_at"]
    verdict.longest_recovery = max(verdict.longest_recovery, ended - free_since)
    if ended - free_since > RECOVERY_SECONDS:
        verdict.faults.append(f"{id} ended {ended - free_since:.1f} s after the last fault")
    outcome = _outcome(first)
    if any(_outcome(read) != outcome for read in done):
        verdict.faults.append(f"{id} has more than one result")
    if any(not read["body"]["done"] and read["at"] > first["at"] for read in reads):
        verdict.faults.append(f"{id} went back to pending")
    if first["body"]["status"] == "resolved":
        verdict.resolved += 1
    else:
        verdict.faults.append(f"{id} ended {first['body']['status']}: {outcome}")


def _check_steps(
    verdict: Verdict,
    reads: dict[str, list[Event]],
    steps: dict[tuple[str, str], list[float]],
) -> None:
    finished: dict[tuple[str, str], float] = {}
    for id, seen in reads.items():
        for read in seen:
            for step in read["body"].get("steps", []):
                if step["status"] == "resolved":
                    finished.setdefault((id, step["name"]), step["ended_at"])
    for (id, name), starts in steps.items():
        verdict.repeated += len(starts) - 1
        end = finished.get((id, name))
        again = sorted(starts)[1:]
        late = [at for at in again if end is not None and at > end + CLOCK_SECONDS]
        if late:
            verdict.faults.append(f"{id}: {name} began again after it had finished")


def _outcome(read: Event) -> tuple[Any, Any]:
    return read["body"].get("result"), read["body"].get("error")
