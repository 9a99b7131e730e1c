"""A client of the SDK that holds at most one claim.

The SDK claims every task it is sent, remembers every execution for ever and cannot take a refusal.
With one client for each running execution none of this does harm:
1. The client takes an offer only when it is free.
2. It makes the claim itself, before the SDK asks for it.
3. When an execution has ended the client has the SDK forget it, with its input and all results:
   these may have a MiB each, and as Python objects twenty times that.
4. After a suspension, a lost claim or `RUNS_PER_CLIENT` executions the slot replaces the client,
   and with it all that it remembers.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.client import build_client
from worker.errors import Fenced
from worker.sdk.client import SdkClient
from worker.slots.admission import Admission
from worker.slots.claim_ends import (
    begin_body,
    complete,
    end_lease,
    granted,
    plain_run_of,
    set_aside,
    settle,
)
from worker.slots.handles import handle_of
from worker.slots.runs import begin_run, end_run
from worker.slots.sdk_adapters import SlotMessageSource, SlotTaskStore
from worker.store.restarts import Records
from worker.tasks.claim_handle import CLAIM_DEPENDENCY
from worker.tasks.claims import OVER, Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.slots.admission import ClaimedPromises
    from worker.slots.parts import SharedParts
    from worker.tasks.claim_handle import ClaimHandle
    from worker.tasks.offers import Offer

RUNS_PER_CLIENT: Final = 200
"""Executions after which a client is replaced."""

SDK_CLOCK: Final = "resonate:time"
"""Name of the SDK dependency by which it computes the ends of sleeps, signals and children."""

STEP_THREADS: Final = 2
"""Steps of one execution that run at the same time."""


class SlotClient:
    """One client of the SDK; its message source and its task store forward to this."""

    def __init__(self, parts: SharedParts, replace: Callable[[SlotClient], None]) -> None:
        self._parts = parts
        self._replace = replace
        self._free = threading.Semaphore(1)
        self._lock = threading.Lock()
        self.claim: Claim | None = None
        """The claim under which an execution runs."""
        self._runs = 0
        self._handle: ClaimHandle | None = None
        self._is_running_here = False  # on the thread that takes offers, without the SDK
        self._promises: ClaimedPromises | None = None
        self._store = parts.store()
        self._store.tasks = SlotTaskStore(parts.transport, self)
        self._admission = Admission(parts, self._store)
        self._client = build_client(
            self._store,
            SlotMessageSource(self, parts.group, parts.pid),
            group=parts.group,
            pid=parts.pid,
            registry=parts.registry,
            threads=STEP_THREADS,
        )
        self.sdk = SdkClient(self._client)
        self._client.set_dependency(SDK_CLOCK, parts.transport.clock)

    def give_up(self, claim: Claim) -> None:
        """Let the slot go on with another client, since the claim is over.

        This client is of no more use: its threads may never come back from user code. If they do,
        nothing that they write reaches the server.
        """
        if not self._take(claim):
            return
        may_be_held = claim.lost is not None
        claim.lost = claim.lost or OVER
        self._parts.metrics.slot_given_up()
        get_logger().info("slot given back", **claim.log_fields, reason=claim.lost)
        claim.end_turn()
        end_run(claim)
        self._retire()
        if self._is_running_here:
            self.sdk.stop_soon()
        # The body ends as it does with every fence, and then the SDK calls `ended`.
        self.sdk.end_execution(Fenced(claim.execution))
        settling = partial(settle, self._parts, claim, may_be_held=may_be_held)
        threading.Thread(target=settling, name="settling", daemon=True).start()

    def _take(self, claim: Claim) -> bool:
        """Return whether this call is the one to end the claim."""
        with self._lock:
            if self.claim is not claim:
                return False
            self.claim = None
            return True

    def _retire(self) -> None:
        self.sdk.retired.set()
        self._free.release()
        self._replace(self)

    def next_task(self) -> Offer | None:
        """Wait until the client is free, and claim a task for the SDK; None when it is to end."""
        while True:
            self._free.acquire()
            offer = self._claimed_offer()
            if offer is None or not self._is_run_here():
                return offer

    def _claimed_offer(self) -> Offer | None:
        while not self.sdk.retired.is_set() and (offer := self._parts.inbox.take()) is not None:
            try:
                if self._claim(offer):
                    return offer
            except Exception:  # noqa: BLE001 - it would end the process, on this thread of the SDK
                get_logger().exception("task not claimed", execution=offer.execution)
        return None

    def _is_run_here(self) -> bool:
        """Run the claimed execution if it is the first claim of a plain function's."""
        run = plain_run_of(self._parts, self.claim)
        if run is None or self._handle is None:
            return False
        self._is_running_here = True
        if run(self._handle, self._store.promises, partial(self.ended, retire=True)):
            self.ended()
        else:  # another thread ends the execution, and this client with it
            self.sdk.wait_stopped()
        self._is_running_here = False
        return True

    def _claim(self, offer: Offer) -> bool:
        """Claim the task and prepare the SDK for it; return whether it is to be run."""
        claim = Claim(offer.task, offer.counter, offer.execution)
        answer = granted(self._parts, claim)
        if answer is None:
            return False
        try:
            promises = self._admission.admit(claim, offer, *answer)
            if promises is not None:
                self._prepare(claim, promises)
        except BaseException as error:
            claim.end_turn()
            self._parts.leases.hand_back_failed(claim)
            if isinstance(error, Fenced):
                return False
            raise
        return promises is not None

    def _prepare(self, claim: Claim, promises: ClaimedPromises) -> None:
        self._promises = promises
        records = Records(claim, self._store.promises.record)
        self._handle = handle_of(self._parts, claim, records, self._store.promises)
        begin_body(self._parts, claim, self._handle, records)
        self._client.set_dependency(CLAIM_DEPENDENCY, self._handle)
        begin_run(claim, self._parts.name)
        self.claim = claim

    def claimed(self) -> ClaimedPromises:
        """Return the server's answer to the claim that `next_task` has made."""
        if self._promises is None:
            raise RuntimeError("the SDK asked for a claim that was not made")
        return self._promises

    def ended(self, *, retire: bool = False) -> None:
        """End the claim: its execution is finished, suspended or fenced off."""
        claim = self._store.claim
        if claim is None:
            return
        if not self._take(claim):  # it was given up, and its last thread is back
            claim.forget_values()
            self.sdk.stop_soon()
            return
        suspended = claim.lost is None and not claim.finished
        if suspended:
            self._store.promises.going_on()
            complete(self._parts, claim)
            self._parts.histories.keep(claim.execution, claim.created_at, claim.parts)
        self._promises = None
        end_lease(self._parts, claim)
        self._runs += not self._is_running_here
        if retire or suspended or claim.lost is not None or self._runs >= RUNS_PER_CLIENT:
            self._retire()
            self.sdk.stop_soon(partial(set_aside, claim) if suspended else None)
        else:
            self._store.claim = None
            self.sdk.forget_executions()
            self._free.release()
