"""What happened to an execution, in order, from what is stored and from nothing else.

So every gateway shows the same events with the same keys, at any time. An event's key is the
server's time of what happened, the position of its promise among all that the execution created,
and which change of that promise it shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.model.blocked import blocks_of
from gateway.model.bodies import ProgressEventBody, RetryingBody
from gateway.model.failed_tries import failed_try_of
from gateway.model.representation import done_body, last_error_body, rfc3339, step_body
from gateway.model.states import (
    blocked_state,
    created_state,
    resumed_state,
    running_state,
    waiting_state,
)
from gateway.model.steps import step_of
from shared.ids import attempt_id
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.model.blocked import Block
    from gateway.model.bodies import JsonBody, StateBody
    from gateway.model.execution import Execution
    from gateway.model.stored_promise import StoredPromise

type Key = tuple[int, int, int]
"""Milliseconds since the epoch; position, which is 0 for the execution itself; change."""

STATE, STARTED, ENDED = range(3)
"""Changes of a promise, in order: what its creation means for the execution's state, its own start
and its own end."""

LAST: Final = 10**9 - 1
"""The position of `done`, beyond all that an execution can create."""

EVENT_ID: Final = re.compile(r"(\d{1,15})-(\d{1,9})-(\d)", re.ASCII)


@dataclass(frozen=True)
class Event:
    """One event of an execution; `data` is its JSON.

    The data of `done` are None if they have a large value; they are made of `ended`.
    """

    key: Key
    name: str
    data: JsonBody | None
    ended: Execution | None = None


def id_of_key(key: Key) -> str:
    """Return the event id that clients get for a key."""
    return "-".join(map(str, key))


def key_of_id(text: str) -> Key:
    """Return the key of an event id. Raises `ValueError` for any other text."""
    match = EVENT_ID.fullmatch(text)
    if match is None:
        raise ValueError("an event's id is like 1795530272004-3-1")
    return int(match[1]), int(match[2]), int(match[3])


def done_key(root: Execution) -> Key | None:
    """Return the key of the execution's last event, None while it is pending."""
    return None if root.completed_at is None else (root.completed_at, LAST, STATE)


def timeline(root: Execution, created: Sequence[StoredPromise]) -> list[Event]:
    """Return the events of an execution that has created these promises, in any order.

    The events are in order; `done` is the last of an execution that has ended. Nothing that the
    server stamps later belongs to it: the server goes on to time out what was pending.
    """
    end = root.completed_at
    created = [*created, *filter(None, [root.only_step])]
    parts = [_as_of(part, end) for part in sorted(created, key=lambda part: _order(root, part))]
    events = [_created(root), *_of_parts(root, parts)]
    events = sorted(
        (event for event in events if end is None or event.key[0] <= end),
        key=lambda event: event.key,
    )
    key = done_key(root)
    if key is None:
        return events
    large = root.large_values(with_input=False)
    return [*events, Event(key, "done", None if large else done_body(root), root)]


def _order(root: Execution, part: StoredPromise) -> tuple[int, int, list[tuple[int, str]]]:
    """Order parts as they were created; names come first, and number 2 before number 10."""
    number = part.id[len(root.id) + 1 :]
    names = [(int(each), "") if each.isdecimal() else (0, each) for each in number.split(".")]
    return part.created_on, int(number) if number.isdecimal() else 0, names


def _as_of(part: StoredPromise, end: int | None) -> StoredPromise:
    """Return the part as it was when the execution ended, whenever the part was read.

    The server stamps what timed out with its time limit, but may do so later. That stamp may lie
    before the part's creation, since workers and the server have clocks of their own.
    """
    if tag.OUTCOME in part.tags:
        return part
    outlives = end is not None and part.timeout >= end
    if part.completed_on == part.timeout and outlives:
        return replace(part, state="PENDING", completed_on=None)
    if part.pending and end is not None and not outlives:
        state = "RESOLVED" if part.is_sleep else "REJECTED_TIMEDOUT"
        part = replace(part, state=state, completed_on=part.timeout)
    if part.completed_on is not None and part.completed_on < part.created_on:
        return replace(part, completed_on=part.created_on)
    return part


def _created(root: Execution) -> Event:
    return _state((root.created_at, 0, STATE), created_state(root))


def _of_parts(root: Execution, parts: Sequence[StoredPromise]) -> Iterator[Event]:
    recoveries = [part for part in reversed(parts) if _is_recovery(root, part)]
    blocks, is_first = blocks_of(parts), True
    for position, part in enumerate(parts, 1):
        if part.is_silent:
            continue
        if recoveries and recoveries[-1] is part:
            recoveries.pop()
            yield _state((part.created_on, position, STATE), running_state(part))
        elif part.is_block:
            yield from _of_block(position, part, parts, blocks)
        elif part.is_signal or part.is_sleep:
            yield from _of_wait(position, part, blocks)
        elif is_first:
            yield _state((part.created_on, position, STATE), running_state(part))
        is_first = False
        if tag.STEP in part.tags or part.is_child:
            yield from _of_step(position, part, recoveries)
        elif tag.PROGRESS in part.tags:
            yield _of_progress(position, part)
        elif tag.FAILED_TRY in part.tags:
            yield _of_failed_try(position, part)


def _of_wait(position: int, part: StoredPromise, blocks: Sequence[Block]) -> Iterator[Event]:
    yield _state((part.created_on, position, STATE), waiting_state(part))
    ended = part.completed_on
    if ended is not None and not _is_blocked(ended, blocks):
        yield _state((ended, position, ENDED), resumed_state(ended, ()))


def _of_block(
    position: int, record: StoredPromise, parts: Sequence[StoredPromise], blocks: Sequence[Block]
) -> Iterator[Event]:
    yield _state((record.created_on, position, STATE), blocked_state(record, parts))
    ended = record.completed_on if record.state == "RESOLVED" else None
    if ended is not None and not _is_blocked(ended, blocks):
        yield _state((ended, position, ENDED), resumed_state(ended, parts))


def _is_blocked(moment: int, blocks: Sequence[Block]) -> bool:
    return any(block.holds(moment) for block in blocks)


def _of_step(
    position: int, part: StoredPromise, recoveries: Sequence[StoredPromise]
) -> Iterator[Event]:
    started = step_of(replace(part, state="PENDING", completed_on=None), ())
    yield Event((part.created_on, position, STARTED), "step", step_body(started))
    if part.completed_on is not None:
        ended = step_of(part, recoveries)
        yield Event((part.completed_on, position, ENDED), "step", step_body(ended))


def _of_progress(position: int, part: StoredPromise) -> Event:
    done, _, total = part.tags[tag.PROGRESS].partition("/")
    at = rfc3339(part.created_on)
    progress = ProgressEventBody(done=int(done), total=int(total), step=None, at=at)
    return Event((part.created_on, position, STARTED), "progress", progress)


def _of_failed_try(position: int, part: StoredPromise) -> Event:
    failed = failed_try_of(part)
    retrying = RetryingBody(
        step=failed.failure.step,
        worker=part.tags.get(tag.WORKER, ""),
        tries=failed.tries,
        last_error=last_error_body(failed),
        next_try_at=rfc3339(failed.next_try_at),
        at=rfc3339(part.created_on),
    )
    return Event((part.created_on, position, STARTED), "retrying", retrying)


def _is_recovery(root: Execution, part: StoredPromise) -> bool:
    return part.id == attempt_id(root.id, int(part.tags.get(tag.ATTEMPT, "0")))


def _state(key: Key, state: StateBody) -> Event:
    return Event(key, "state", state)
