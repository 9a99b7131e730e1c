"""What earlier claims have stored of an execution, read when a claim meets a part of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.ids import attempt_id
from shared.log import get_logger
from shared.resonate import tags as tag
from worker.store.numbered_parts import number_of, part_name
from worker.tasks.claims import Blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Promises
    from worker.store.known_histories import KnownHistories
    from worker.tasks.claims import Claim


SHOWN_BYTES: Final = 512
"""Bytes of a text in the tags of a record, which may have a user's value in it: every poll reads
the latest records."""


class OtherPart(Exception):
    """The code asks for another part than the one that is stored."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(str(blocked))
        self.blocked = blocked


class History:
    """The history of one claim's execution. All methods raise `Refused` and `Unanswered`.

    The writes of `promises` carry the claim. `recovered` is called once a recovery is recorded.
    """

    def __init__(
        self,
        claim: Claim,
        promises: Promises,
        worker: str,
        known: KnownHistories,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self._claim = claim
        self._promises = promises
        self._worker = worker
        self._known = known
        self._recovered = recovered
        self._log = get_logger()

    def met(self, id: str, asked: Mapping[str, str], stored: DurablePromise) -> None:
        """Note that a promise was created with these tags, or found as it is `stored`.

        Raises `OtherPart` if it is another part of the execution than the one that is asked for.
        """
        number = number_of(self._claim.execution, id)
        made_by = stored.tags.get(tag.CLAIM)
        if made_by is None:  # a signal that came early, say: it shows nothing of this claim
            return
        if made_by == self._claim.key:
            self._begun(number)
            return
        self.read()
        expected, found = part_name(stored.tags), part_name(asked)
        if number is not None and expected and found and expected != found:
            raise OtherPart(Blocked(expected, found))

    def _begun(self, number: int | None) -> None:
        claim = self._claim
        if number == 1:
            if claim.may_have_history:
                self.read()
            # Earlier releases have stored no first part if that was a wait for a signal.
            claim.begun_here = claim.stored_position == 0
        self.resolve_blocked()

    def resolve_blocked(self) -> None:
        """Resolve the record that the execution is blocked, if there is one: it goes on."""
        id, self._claim.blocked_record = self._claim.blocked_record, None
        if id is not None:
            self._log.info("execution no longer blocked", **self._claim.log_fields)
            self._promises.resolve(id, ikey=id)

    def step_again(self) -> None:
        """Resolve the record that the execution is blocked, and name this worker.

        A step that runs again stores no part, by which clients would see who runs the execution.
        """
        claim, record = self._claim, self._claim.blocked_record
        if record is None:
            return
        self.resolve_blocked()
        marker = f"{attempt_id(claim.execution, claim.attempt)}.{record.rpartition('.')[2]}"
        tags = claim_tags(claim, self._worker)
        self._promises.create(marker, claim.deadline, ikey=claim.key, tags=tags)

    def read(self) -> None:
        """Read what is stored of the execution, once; record a recovery if this claim is one.

        Say that this claim is `__invoke:a/3`. The newest promise of the execution was created by
        1. `__invoke:a/2`: that claim ended without completing the same task, so this one recovers
           it, as a new attempt;
        2. `__resume:a:a.1/1`: another task, so the execution was suspended in order, which is no
           new attempt;
        3. a claim that has found the execution blocked and handed it back, which is none either.
        """
        claim = self._claim
        if claim.history_read:
            return
        stored = self._known.read(self._promises, claim.execution, claim.created_at)
        claim.parts = {part.id: part for part in stored} | claim.parts
        claim.history_read = True
        found = [part for part in reversed(stored) if part.tags.get(tag.CLAIM) != claim.key]
        if not found:
            return
        newest = found[0].tags
        claim.former = newest.get(tag.CLAIM)
        claim.attempt = int(newest.get(tag.ATTEMPT, "1"))
        claim.recovered_from = newest.get(tag.RECOVERED_FROM)
        position = newest.get(tag.POSITION)
        claim.stored_position = self._counted() if position is None else int(position)
        if tag.BLOCKED in newest:
            claim.blocked_record = found[0].id if found[0].pending else None
            return
        made_by = newest.get(tag.CLAIM, "")
        if made_by.rpartition("/")[0] == claim.task:
            self._record_recovery(newest.get(tag.WORKER))

    def _counted(self) -> int:
        """Return how many parts an earlier release has stored, with waits, which have no number."""
        claim = self._claim
        found = claim.parts.values()
        earlier = [part for part in found if part.tags.get(tag.CLAIM) != claim.key]
        numbers = [number_of(claim.execution, part.id) or 0 for part in earlier]
        waits = sum(tag.SIGNAL in part.tags for part in earlier)
        return max([*numbers, sum(map(bool, numbers)) + waits])

    def _record_recovery(self, lost_worker: str | None) -> None:
        claim = self._claim
        claim.attempt += 1
        claim.recovered_from = lost_worker
        marker = attempt_id(claim.execution, claim.attempt)
        tags = claim_tags(claim, self._worker)
        self._promises.create(marker, claim.deadline, ikey=claim.key, tags=tags)
        self._recovered()
        shown = {"attempt": claim.attempt, "recovered_from": claim.recovered_from}
        self._log.info("execution recovered", **claim.log_fields, **shown)


def claim_tags(claim: Claim, worker: str) -> dict[str, str]:
    """Return the tags of everything that a claim of this worker creates."""
    tags = {
        tag.EXECUTION: claim.execution,
        tag.WORKER: worker,
        tag.CLAIM: claim.key,
        tag.ATTEMPT: str(claim.attempt),
        tag.POSITION: str(max(claim.position, claim.stored_position)),
    }
    if claim.recovered_from is not None:
        tags[tag.RECOVERED_FROM] = claim.recovered_from
    if claim.progress is not None:
        tags[tag.REPORTED] = claim.progress
    return tags


def newest_blocked(promises: Promises, execution: str) -> DurablePromise | None:
    """Return the newest record that the execution is, or was, blocked."""
    pattern = f"{execution}.blocked.*"
    found, _ = promises.search(pattern, {tag.EXECUTION: execution}, limit=1)
    return found[0] if found else None
