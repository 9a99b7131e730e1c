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

Clients of containers also note what can be judged of their own:

    begin: "created", as the answer has it; "expected", what the result must have; "since", when
           the first such request was sent
    read:  "asked", when the request was sent; "waited", the seconds that it was to wait; a step has
           the "execution" that runs it, if that is a child
    {"kind": "unknown", "id", "at"}                  an answer 404 of /wait or /events
    {"kind": "signal", "id", "at", "first"}          a signal was taken, and was new
    {"kind": "stream", "id", "at", "seen", "whole"}  the events that a client got with connections
                                                     that broke, and those that one stream has after
                                                     the end, each as [id, rest]
    {"kind": "odd", "at", "what"}                    an answer that no fault explains

Times are seconds. `own` are the seconds that an execution takes by itself. `worker` is the one
whose claims a fault can end, `*` all of them; without it no claim is lost. `until` is the time when
a fault is over. If it was taken back before, and the service only had to recover until then, `over`
is that time.
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

STALE_SECONDS = 1.0
"""Seconds after an answer with the end in which another gateway may still answer `pending`."""

LATE_SECONDS = 5.0
"""Seconds after the end within which a request that waits for it is answered, beside no fault."""


@dataclass
class Verdict:
    """What a history shows; it is fine if there are no `faults`.

    `lost` and `double` are numbers of executions: those without an end, and those with two begins,
    two results or a finished step that began again. `longest_recovery` is the time from the last
    fault of all to an end, `longest_delay` what an execution took more than by itself while no
    fault lasted, `longest_begin` the time until a begin was taken.
    """

    accepted: int = 0
    resolved: int = 0
    repeated: int = 0
    lost: int = 0
    double: int = 0
    polls: int = 0
    streams: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    longest_recovery: float = 0.0
    longest_begin: float = 0.0
    longest_delay: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Disturbance:
    """A fault, or the death of a worker; `worker` is the one that can lose claims by it."""

    at: float
    until: float
    worker: str = ""
    is_death: bool = False
    over: float = 0.0

    @classmethod
    def of(cls, event: Event) -> Disturbance:
        at: float = event["at"]
        until: float = event.get("until", at)
        is_death = event["kind"] == "death"
        return cls(at, until, event.get("worker", ""), is_death, event.get("over", until))

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
    created: Counter[str] = field(default_factory=Counter)
    signaled: Counter[str] = field(default_factory=Counter)
    streams: list[Event] = field(default_factory=list)
    finished: dict[tuple[str, str], float] = field(default_factory=dict)
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
        _check_polls(verdict, facts.reads[id], facts)
    _check_once(verdict, facts)
    _check_streams(verdict, facts)
    _check_steps(verdict, facts)
    return verdict


def _take(event: Event, verdict: Verdict, facts: _Facts) -> None:
    match event["kind"]:
        case "harm":
            facts.disturbances.append(Disturbance.of(event))
        case "fault" | "death" | "attack":
            verdict.injected[event.get("what", "death of a worker")] += 1
            if event["kind"] != "attack":
                facts.disturbances.append(Disturbance.of(event))
        case "healed":
            facts.healed = event["at"]
        case "odd":
            verdict.faults.append(event["what"])
        case "step":
            facts.steps[event["id"], event["step"]].append(event)
        case _:
            _take_answer(event, verdict, facts)


def _take_answer(event: Event, verdict: Verdict, facts: _Facts) -> None:
    match event["kind"]:
        case "begin" if event["status"] in {200, 202}:
            facts.accepted.setdefault(event["id"], event)
            facts.created[event["id"]] += event.get("created", False)
        case "read":
            _take_read(event, facts)
        case "signal":
            facts.signaled[event["id"]] += event["first"]
        case "stream":
            facts.streams.append(event)
        case "unknown" if event["id"] in facts.accepted:
            verdict.lost += 1
            verdict.faults.append(f"{event['id']} was accepted and is unknown")
        case _:
            pass


def _take_read(event: Event, facts: _Facts) -> None:
    """Keep an answer without its steps, of which the ends of those that have finished are kept."""
    id, body = event["id"], event["body"]
    for step in body.get("steps", []):
        if step["status"] == "resolved":
            key = (step.get("execution", id), step["name"])
            facts.finished.setdefault(key, step["ended_at"])
    kept = {name: value for name, value in body.items() if name != "steps"}
    facts.reads[id].append({**event, "body": kept})


def _check_end(verdict: Verdict, begin: Event, reads: list[Event], facts: _Facts) -> None:
    id, began = begin["id"], begin["at"]
    done = [read for read in reads if read["body"]["done"]]
    verdict.longest_begin = max(verdict.longest_begin, began - begin.get("since", began))
    if not done:
        verdict.lost += 1
        verdict.faults.append(f"{id} was accepted and never ended")
        return
    first = done[0]
    ended = first["body"]["ended_at"]
    free_since = max(facts.healed, began)
    verdict.longest_recovery = max(verdict.longest_recovery, ended - free_since)
    if ended - free_since > RECOVERY_SECONDS:
        verdict.faults.append(f"{id} ended {ended - free_since:.1f} s after the last fault")
    elif "own" in begin:
        _check_time(verdict, begin, ended, facts)
    outcome = _outcome(first)
    if any(_outcome(read) != outcome for read in done):
        verdict.double += 1
        verdict.faults.append(f"{id} has more than one result")
    if any(_is_back(read, first) for read in reads):
        verdict.faults.append(f"{id} went back to pending")
    if first["body"]["status"] != "resolved":
        verdict.faults.append(f"{id} ended {first['body']['status']}: {outcome}")
    elif not fits(first["body"].get("result"), begin.get("expected")):
        verdict.faults.append(f"{id} has the result {outcome[0]}, not {begin['expected']}")
    else:
        verdict.resolved += 1


def _check_time(verdict: Verdict, begin: Event, ended: float, facts: _Facts) -> None:
    began, own = begin["at"], begin["own"]
    if ended > _latest_end(began, own, facts.disturbances):
        took = ended - began
        verdict.faults.append(f"{begin['id']} took {took:.1f} s; by itself it takes {own:g} s")
    late = ended - began - own - _harmed(began, ended, facts.disturbances)
    verdict.longest_delay = max(verdict.longest_delay, late)


def _harmed(began: float, ended: float, disturbances: list[Disturbance]) -> float:
    """Return for how much of a time any fault lasted; the disturbances are sorted."""
    harmed, reached = 0.0, began
    for met in disturbances:
        if met.at >= ended:
            break
        harmed += max(0.0, min(met.over, ended) - max(met.at, reached))
        reached = max(reached, met.over)
    return harmed


def _latest_end(began: float, own: float, disturbances: list[Disturbance]) -> float:
    """Return when an execution must have ended: a fault that meets it gives it time to recover.

    A death that an attack has caused gives none: what runs beside attacks is to be in time.
    """
    latest = began + own + BESIDE_SECONDS
    for met in disturbances:
        if not met.is_death and met.at <= latest and met.until >= began:
            latest = max(latest, met.until + own + RECOVERY_SECONDS)
    return latest


def _is_back(read: Event, first: Event) -> bool:
    """Return whether an answer says `pending` after the end was answered."""
    if read["body"]["done"]:
        return False
    if "asked" in read:
        late: bool = read["asked"] > first["at"] + STALE_SECONDS
        return late
    return bool(read["at"] > first["at"])


def _check_polls(verdict: Verdict, reads: list[Event], facts: _Facts) -> None:
    """A request that waits for the end is answered soon after it, unless a fault meets it."""
    ends = [read["body"]["ended_at"] for read in reads if read["body"]["done"]]
    for poll in reads:
        if not poll.get("waited"):
            continue
        verdict.polls += 1
        late = poll["at"] - max([poll["asked"], *ends[:1]])
        if not ends or late <= LATE_SECONDS:
            continue
        if not any(
            met.at <= poll["at"] and met.until >= poll["asked"] for met in facts.disturbances
        ):
            verdict.faults.append(f"{poll['id']}: a poll was answered {late:.1f} s after the end")


def _check_once(verdict: Verdict, facts: _Facts) -> None:
    """An id was begun once, and a signal with one key was delivered once."""
    for id, count in facts.created.items():
        if count > 1:
            verdict.double += 1
            verdict.faults.append(f"{id} was created {count} times")
    for id, count in facts.signaled.items():
        if count > 1:
            verdict.faults.append(f"{id}: one signal was delivered {count} times")


def _check_streams(verdict: Verdict, facts: _Facts) -> None:
    """A client that goes on after the last event that it got misses none and gets none twice."""
    for stream in facts.streams:
        verdict.streams += 1
        seen, whole = stream["seen"], stream["whole"]
        if seen != whole:
            missed = [event for event in whole if event not in seen]
            extra = [event for event in seen if event not in whole]
            verdict.faults.append(
                f"{stream['id']}: its events differ; missed {missed}, only then {extra},"
                f" {len(seen)} and {len(whole)} in all"
            )


def fits(value: Any, expected: Any) -> bool:
    """Return whether a value has what is expected: of an object, those of its keys that are named.

    None expects nothing.
    """
    match expected:
        case None:
            return True
        case dict():
            return isinstance(value, dict) and all(
                name in value and fits(value[name], each) for name, each in expected.items()
            )
        case list():
            return (
                isinstance(value, list)
                and len(value) == len(expected)
                and all(map(fits, value, expected))
            )
        case _:
            return bool(value == expected)


def _check_steps(verdict: Verdict, facts: _Facts) -> None:
    for (id, name), unsorted in facts.steps.items():
        starts = sorted(unsorted, key=lambda start: start["at"])
        verdict.repeated += len(starts) - 1
        end = facts.finished.get((id, name))
        if end is not None and any(start["at"] > end + CLOCK_SECONDS for start in starts[1:]):
            verdict.double += 1
            verdict.faults.append(f"{id}: {name} began again after it had finished")
            continue
        for first, second in pairwise(starts):
            if not any(met.explains(first, second) for met in facts.disturbances):
                verdict.faults.append(f"{id}: {name} began again though {first['worker']} lived")


def _outcome(read: Event) -> tuple[Any, Any]:
    return read["body"].get("result"), read["body"].get("error")
