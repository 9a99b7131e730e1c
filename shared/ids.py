"""The grammar of execution ids, and the ids that are derived from them.

A client's id goes into URLs of the server, into its LIKE patterns and into the ids of steps
(`<id>.<n>`). So the grammar has no `.` (a client could name another execution's step), no `/`,
`?`, `#` or `%` (paths of the server), no `:` (the server joins ids with it) and nothing that
is not ASCII (headers and event streams carry ids).
"""

from __future__ import annotations

import re

ID_GRAMMAR = re.compile(r"[A-Za-z0-9_-]{1,128}")
SIGNAL_GRAMMAR = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_execution_id(text: str) -> bool:
    """Return whether a client may use this id."""
    return ID_GRAMMAR.fullmatch(text) is not None


def stored_id(id: str) -> str:
    """Return the id under which the server stores a promise.

    `_` is a wildcard in the server's searches: one for `order_4711.*` would read every id that
    begins with `order`. So what an execution creates, which is searched for, is stored with `~`
    for `_`: `order~4711.1`. The execution itself is read by its id and is stored under it.
    """
    return id.replace("_", "~") if "." in id else id


def id_of_stored(id: str) -> str:
    """Return the id that clients know, from the one that the server has stored."""
    return id.replace("~", "_") if "." in id else id


def parts_pattern(execution_id: str) -> str:
    """Return the search pattern for everything that an execution has created.

    The server's search ignores case, so filter by the tag `execution` as well.
    """
    return f"{execution_id}.*"


def attempt_id(execution_id: str, attempt: int) -> str:
    """Return the id of the record that names the worker of an execution's n-th attempt."""
    return f"{execution_id}.attempt.{attempt}"


def failed_try_id(step_id: str, counter: int, number: int) -> str:
    """Return the id of the record of a step's n-th try under a claim with this counter."""
    return f"{step_id}.failed.{counter}.{number}"


def step_of_failed_try(id: str) -> str:
    """Return the id of the step from the id of a record of its failed try."""
    return id.rpartition(".failed.")[0]


def signal_id(execution: str, name: str, number: int = 1) -> str:
    """Return the id of the promise of a signal's n-th value; a name has no `.`."""
    first = f"{execution}.signal.{name}"
    return first if number == 1 else f"{first}.{number}"


def signal_key_id(execution: str, name: str, digest: str) -> str:
    """Return the id of the record of a signal's idempotency key; `digest` is the key's.

    As with large values, no search for what an execution has created reads it.
    """
    return value_id(f"{signal_id(execution, name)}.key", digest)


def webhook_id(execution: str) -> str:
    """Return the id of the execution that sends the webhook of another execution's end."""
    return f"{execution}.webhook"


def value_id(owner: str, digest: str) -> str:
    """Return the id of a large value of a promise; `digest` is the value's.

    No other id begins with `=`, so no search for what begins with an id finds or even reads it.
    """
    return f"={owner}={digest}"


SLOT_MAPS = "=.slot-map.*"
"""The search pattern for the records of slot maps. No large value's id begins so, since no owner's
id begins with `.`."""


def slot_map_id(generation: int) -> str:
    """Return the id of the record that a cell's gateways work by a slot map of this generation."""
    return f"=.slot-map.{generation}"


def generation_of(slot_map_id: str) -> int:
    """Return the generation from the id of a slot map's record."""
    return int(slot_map_id.rpartition(".")[2])


def cancel_key(execution_id: str) -> str:
    """Return the idempotency key with which gateways and workers cancel an execution."""
    return f"cancel-{execution_id}"


def ancestors(execution_id: str) -> list[str]:
    """Return the executions above a child, from the one that a client began to its parent.

    A child's id is its parent's and one more part: above `job-1.2.5` are `job-1` and `job-1.2`.
    """
    parts = execution_id.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def is_signal_name(text: str) -> bool:
    """Return whether a text may name a signal."""
    return SIGNAL_GRAMMAR.fullmatch(text) is not None
