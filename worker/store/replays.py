"""Checks that a replay asks for the parts that its execution has stored.

The parts of an execution are numbered, and each has its kind and its name in its tags. A function
whose code has changed may ask for another part under a number. What is stored there is not its
outcome, so the execution is blocked before anything runs: a worker with fitting code goes on with
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from durable_http.commands import THE_END
from shared.resonate import tags as tag
from shared.resonate.codec import clip
from worker.errors import Fenced
from worker.store.guarded_writes import FencedPromise
from worker.store.history import SHOWN_BYTES
from worker.store.numbered_parts import numbered_id, part_name
from worker.tasks.claims import Blocked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from resonate.models.durable_promise import DurablePromise

    from worker.store.fenced_store import FencedPromises
    from worker.tasks.claims import Claim

UNKNOWN_PART: Final = "a part of an earlier release"
"""What stands for a part without the tags of this release."""


class ReplayedHistory:
    """The stored parts of the execution of one claim."""

    def __init__(self, claim: Claim, promises: FencedPromises) -> None:
        self._claim = claim
        self._promises = promises

    def record(self, id: str, tags: Mapping[str, str]) -> None:
        """Store a part that has no outcome, unless it is stored. Raises `Fenced`."""
        stored = self._claim.parts.get(id) if self.has(id) else None
        if stored is not None:
            self._replayed(stored, tags)
            return
        promise = self._promises.create(id, self._claim.deadline, ikey=id, tags=dict(tags))
        if isinstance(promise, FencedPromise):
            raise Fenced(self._claim.execution)

    def has(self, id: str) -> bool:
        """Return whether an earlier claim has stored the part with this id. Raises `Fenced`."""
        if self._has_none():
            return False
        self._read()
        return id in self._claim.parts

    def ended(self, id: str, tags: Mapping[str, str]) -> DurablePromise | None:
        """Return the part with this id if it has ended, which is asked for with these tags.

        Raises `Fenced`.
        """
        stored = self._claim.parts.get(id) if self.has(id) else None
        if stored is None or stored.pending:
            return None
        return self._replayed(stored, tags)

    def _replayed(self, stored: DurablePromise, tags: Mapping[str, str]) -> DurablePromise:
        promise = self._promises.replayed(stored, tags)
        if isinstance(promise, FencedPromise):
            raise Fenced(self._claim.execution)
        return promise

    def takes_change(self, id: str, name: str) -> bool:
        """Return whether the part with this id is the record of the change, or not stored yet.

        Raises `Fenced`.
        """
        if self._has_none():
            return True
        stored = self._stored(id)
        if stored is not None:
            return stored.tags.get(tag.CHANGED) == name
        number = int(id.rpartition(".")[2])
        # Earlier releases have stored no part for a wait for a signal.
        return number > self._claim.stored_position

    def step_again(self) -> None:
        """Note that a step runs again here, with which the execution goes on. Raises `Fenced`."""
        if not self._promises.ask(lambda history: history.step_again()):
            raise Fenced(self._claim.execution)

    def check_end(self, position: int) -> None:
        """Block the execution if it has stored parts beyond this one, which is its last.

        Raises `Fenced`.
        """
        if self._claim.lost is not None or self._has_none():
            return
        self._read()
        if self._claim.stored_position > position:
            stored = self._stored(numbered_id(self._claim.execution, position + 1))
            expected = None if stored is None else part_name(stored.tags)
            self.block(expected or UNKNOWN_PART, THE_END)

    def block(self, expected: str, found: str) -> NoReturn:
        """Block the execution: the code asks for something else than what is stored."""
        claim = self._claim
        if not self._has_none():
            self._read()  # the record of the block must say how far the execution was
        if claim.lost is None:
            claim.blocked = Blocked(clip(expected, SHOWN_BYTES), clip(found, SHOWN_BYTES))
            claim.lost = str(claim.blocked)
        raise Fenced(claim.execution)

    def refuse(self, id: str, name: str, found: str) -> None:
        """Store that a child was refused here; block the execution if it was not, before.

        A worker that would not refuse it then finds the refusal in the child's place. Raises
        `Fenced`.
        """
        stored = None if self._has_none() else self._stored(id)
        if stored is not None and tag.REFUSED not in stored.tags:
            self.block(part_name(stored.tags) or UNKNOWN_PART, found)
        self.record(id, {tag.REFUSED: name})

    def block_if_begun(self, expected: str, found: str) -> None:
        """Block the execution, unless it is a child that has stored nothing.

        The input of an execution that a client began was checked, so another version of the code
        takes it. The input of a child is as its parent's code has made it.
        """
        if not self._has_none():
            self._read()
        if not self._claim.is_child or self._claim.stored_position:
            self.block(expected, found)

    def _has_none(self) -> bool:
        """Return whether it is known without a call that no earlier claim has stored a part."""
        return self._claim.begun_here or not self._claim.may_have_history

    def _read(self) -> None:
        if not self._promises.ask(lambda history: history.read()):
            raise Fenced(self._claim.execution)

    def _stored(self, id: str) -> DurablePromise | None:
        self._read()
        return self._claim.parts.get(id)
