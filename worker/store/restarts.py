"""Records of starts in the server's store, from which the next worker knows what ended the last.

The first start of a step needs no record, because its promise is one. A record belongs to no
execution by its tags, so that no answer to a client shows it:

    <step>.start.<k>          the k-th start of a step, for k from 2
    <step>.returned.<k>       the worker of the k-th start was not lost: it has stopped in order, or
                              has lived on without its claim
    <task>.claim.<n>          a function's body was begun for the n-th offer of a task, for n from 2
    <task>.claim.<n>.reached  it did not end its worker: it waits for the turn of a step, or was
                              handed back in order
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.ids import id_of_stored, parts_pattern, stored_id
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.tasks import read_nothing
from shared.resonate.transport import Refused, Unanswered
from worker.tasks.suspects import SUSPECT, Starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Promises
    from shared.resonate.transport import Transport
    from worker.tasks.claims import Claim

UNRECORDED: Final = 1
"""Offers of a task whose claims are not recorded: nearly all executions need no second one."""

RETURN_SECONDS: Final = 1.0
"""Seconds for which the record of a return is tried: without it one loss too many is counted."""


class Records:
    """The records of one claim, which `write` stores by id and tags while the claim holds."""

    def __init__(self, claim: Claim, write: Callable[[str, dict[str, str]], bool]) -> None:
        self._claim = claim
        self._write = write

    def start(self, step: str, number: int) -> bool:
        """Record a start of a step before it runs; return whether the claim still holds."""
        return self._write(f"{step}.start.{number}", _tags(self._claim))

    def body(self) -> bool:
        """Record that a body is begun, if need be; return whether the claim still holds."""
        if self._claim.counter <= UNRECORDED:
            return True
        self._claim.body_recorded = True
        return self._write(_body_id(self._claim), _tags(self._claim))

    def reached(self) -> None:
        """Record that a body has reached a step that waits for its turn."""
        if self._claim.body_recorded:
            self._write(f"{_body_id(self._claim)}.reached", _tags(self._claim))


def starts_of(promises: Promises, step: DurablePromise, execution: str) -> Starts:
    """Return the starts of a step that earlier claims have begun and not ended."""
    found, _ = promises.search(parts_pattern(step.id), {tag.RECORD: execution})
    starts = {1: (step.tags.get(tag.WORKER, ""), step.created_on)}
    returned = set()
    for record in found:
        kind, number = _kind_of(step.id, record.id)
        if kind == "start":
            starts[number] = record.tags.get(tag.WORKER, ""), record.created_on
        elif kind == "returned":
            returned.add(number)
    lost = [starts[number][0] for number in sorted(starts) if number not in returned]
    return Starts(max(starts), lost, max(at for _, at in starts.values()))


def body_starts(promises: Promises, claim: Claim) -> Starts:
    """Return the earlier claims of the same task that were lost before they reached a step."""
    if claim.counter <= UNRECORDED + SUSPECT:
        return Starts(0, (), 0)
    execution = claim.execution
    found, _ = promises.search(parts_pattern(execution), {tag.RECORD: execution})
    begun = {}
    for record in found:
        kind, number = _kind_of(_task_id(claim), record.id)
        if kind == "claim":
            begun[number] = record
    if len(begun) < SUSPECT:
        return Starts(0, (), 0)
    parts, _ = promises.search(parts_pattern(execution), {tag.EXECUTION: execution})
    reached = _claims(record for record in found if record not in begun.values())
    reached |= _claims(part for part in parts if not part.id.startswith(f"{execution}.attempt."))
    lost: list[DurablePromise] = []
    for number in sorted(begun, reverse=True):
        if begun[number].tags.get(tag.CLAIM) in reached:
            break
        lost.insert(0, begun[number])
    workers = [record.tags.get(tag.WORKER, "") for record in lost]
    return Starts(len(lost), workers, max((r.created_on for r in lost), default=0))


def record_returned(transport: Transport, claim: Claim) -> None:
    """Record that the worker lives, though its claim has ended before the execution has."""
    records = [f"{step}.returned.{number}" for step, number in dict(claim.started).items()]
    if claim.body_recorded:
        records.append(f"{_body_id(claim)}.reached")
    for id in records:
        try:
            # Without a fence, because the claim may be another's by now.
            tags = _tags(claim)
            body = {"id": stored_id(id), "param": {}, "timeout": claim.deadline, "tags": tags}
            headers = {"idempotency-key": id}
            transport.call(
                "POST", "/promises", body, headers, read=read_nothing, budget=RETURN_SECONDS
            )
        except (Refused, Unanswered) as error:
            get_logger().info("return not recorded", **claim.log_fields, reason=str(error))
            return


def _tags(claim: Claim) -> dict[str, str]:
    return {tag.RECORD: claim.execution, tag.CLAIM: claim.key}


def _claims(promises: Iterable[DurablePromise]) -> set[str | None]:
    return {promise.tags.get(tag.CLAIM) for promise in promises}


def _task_id(claim: Claim) -> str:
    """Return the task's id as the part of an id: `job` or `job.2.resumed`."""
    # The server names a task by the ids that it has stored.
    _, execution, *awaited = map(id_of_stored, claim.task.split(":", 2))
    return f"{awaited[0]}.resumed" if awaited else execution


def _body_id(claim: Claim) -> str:
    return f"{_task_id(claim)}.claim.{claim.counter}"


def _kind_of(owner: str, id: str) -> tuple[str, int]:
    """Return what a record of `owner` is, and its number; ("", 0) for any other promise."""
    kind, _, number = id.removeprefix(f"{owner}.").partition(".")
    return (kind, int(number)) if number.isdecimal() else ("", 0)
