"""What happened to an execution, in order, told from what is stored and from nothing else.

So every gateway tells the same, at any time: an event's key is the server's time of what happened,
the place of its promise among all that the execution created, and what of the promise it tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.model import representation as views
from gateway.model.execution import is_child, step_of
from shared.ids import attempt_id
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.model.execution import Execution, Part

type Key = tuple[int, int, int]
"""Milliseconds since the epoch; position, where the execution itself is 0; phase."""

STATE, BEGUN, ENDED = range(3)
"""Phases of a promise: the change that its creation tells of, its own beginning, its end."""

LAST: Final = 10**9 - 1
"""The position of `done`: beyond all that an execution can create."""

ID: Final = re.compile(r"(\d{1,15})-(\d{1,9})-(\d)", re.ASCII)


@dataclass(frozen=True)
class Event:
    """One event of an execution; `data` is JSON."""

    key: Key
    name: str
    data: dict[str, Any]


def id_of_key(key: Key) -> str:
    """Return a key as clients get it."""
    return "-".join(map(str, key))


def key_of_id(text: str) -> Key:
    """Return the key of an event's id. Raises `ValueError` for what can be none."""
    match = ID.fullmatch(text)
    if match is None:
        raise ValueError("an event's id is like 1795530272004-3-1")
    return int(match[1]), int(match[2]), int(match[3])


def done_key(root: Execution) -> Key | None:
    """Return the key of the execution's last event, if it has ended."""
    return None if root.completed_at is None else (root.completed_at, LAST, STATE)


def timeline(root: Execution, created: Sequence[Part]) -> list[Event]:
    """Return the events of an execution that has created these, in order; `done` is the last.

    Once it has ended, what the server stamps later is no part of it: the server goes on to time
    out what was open. The order in which the parts are given does not matter.
    """
    end = root.completed_at
    parts = [_as_of(part, end) for part in sorted(created, key=lambda part: _order(root, part))]
    events = [_begun(root), *_of_parts(root, parts)]
    events = sorted(
        (event for event in events if end is None or event.key[0] <= end),
        key=lambda event: event.key,
    )
    key = done_key(root)
    return events if key is None else [*events, Event(key, "done", views.ending(root))]


def _order(root: Execution, part: Part) -> tuple[int, int, str]:
    """Order parts as they were created; the SDK numbers those that have no name."""
    number = part.id[len(root.id) + 1 :]
    return part.created_on, int(number) if number.isdecimal() else 0, part.id


def _as_of(part: Part, end: int | None) -> Part:
    """Return the part as it was at the execution's end, whenever it was read.

    What its own time limit ended is stamped with that limit, but the server may do it later. Such
    a stamp may lie before the creation, since workers and the server have clocks of their own.
    """
    late = end is not None and part.timeout >= end
    if part.completed_on == part.timeout and late:
        return replace(part, state="PENDING", completed_on=None)
    if part.state == "PENDING" and end is not None and not late:
        state = "RESOLVED" if tag.SLEEP in part.tags else "REJECTED_TIMEDOUT"
        part = replace(part, state=state, completed_on=part.timeout)
    if part.completed_on is not None and part.completed_on < part.created_on:
        return replace(part, completed_on=part.created_on)
    return part


def _begun(root: Execution) -> Event:
    state: dict[str, Any] = {"status": "pending", "phase": "queued"}
    if root.starts_at:
        state |= {"phase": "scheduled", "starts_at": views.rfc3339(root.starts_at)}
    return _event((root.created_at, 0, STATE), "state", state)


def _of_parts(root: Execution, parts: Sequence[Part]) -> Iterator[Event]:
    recoveries = [part for part in reversed(parts) if _is_recovery(root, part)]
    for position, part in enumerate(parts, 1):
        at, ended = part.created_on, part.completed_on
        waits_for = _waits_for(part)
        if recoveries and recoveries[-1] is part:
            recoveries.pop()
            yield _event((at, position, STATE), "state", _running(part))
        elif waits_for is not None:
            state = {**_running(part), "phase": "waiting"}
            state["waiting_for"] = views.waits([(waits_for, at)])
            yield _event((at, position, STATE), "state", state)
            if ended is not None:
                # Whoever goes on with it shows with what it creates next.
                state = {"status": "pending", "phase": "running"}
                yield _event((ended, position, ENDED), "state", state)
        elif position == 1:
            yield _event((at, position, STATE), "state", _running(part))
        if tag.STEP in part.tags or is_child(part):
            started = step_of(replace(part, state="PENDING", completed_on=None), ())
            yield Event((at, position, BEGUN), "step", views.step_item(started))
            if ended is not None:
                step = views.step_item(step_of(part, recoveries))
                yield Event((ended, position, ENDED), "step", step)
        elif tag.PROGRESS in part.tags:
            done, _, total = part.tags[tag.PROGRESS].partition("/")
            progress = {"done": int(done), "total": int(total), "step": None}
            yield _event((at, position, BEGUN), "progress", progress)


def _is_recovery(root: Execution, part: Part) -> bool:
    return part.id == attempt_id(root.id, int(part.tags.get(tag.ATTEMPT, "0")))


def _waits_for(part: Part) -> str | None:
    return part.tags.get(tag.SIGNAL, "sleep" if tag.SLEEP in part.tags else None)


def _running(part: Part) -> dict[str, Any]:
    state: dict[str, Any] = {
        "status": "pending",
        "phase": "running",
        "worker": part.tags.get(tag.WORKER, ""),
        "attempt": int(part.tags.get(tag.ATTEMPT, "1")),
    }
    if tag.RECOVERED_FROM in part.tags:
        state["recovered_from"] = part.tags[tag.RECOVERED_FROM]
    return state


def _event(key: Key, name: str, data: dict[str, Any]) -> Event:
    return Event(key, name, {**data, "at": views.rfc3339(key[0])})
