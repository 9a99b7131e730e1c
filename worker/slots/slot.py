"""A slot: one client of the SDK that holds at most one claim.

The SDK claims whatever it is sent, remembers every execution for ever and cannot take a refusal.
With a client for each execution that runs, none of that matters: the slot asks for work only when
it is free, claims it itself, and replaces its client, with all that it remembers, after a
suspension, a lost claim or `RUNS_PER_CLIENT` executions.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.ids import ancestors, cancel_key
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.client import build_client
from shared.resonate.codec import Failure, decode_call
from shared.resonate.transport import PROMISE_NOT_FOUND, Refused, Unanswered
from worker.slots.fenced_store import FencedStore
from worker.slots.sdk_adapters import SlotMessageSource, SlotTaskStore
from worker.tasks.claims import Claim
from worker.tasks.leases import ClaimHandle

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise
    from resonate.registry import Registry

    from shared.resonate.codec import Call
    from shared.resonate.tasks import Tasks
    from shared.resonate.transport import Transport
    from worker.tasks.leases import Leases
    from worker.tasks.offers import Inbox, Offer

RUNS_PER_CLIENT: Final = 200
STEP_THREADS: Final = 2
"""Steps of one execution that can run at the same time."""


UNKNOWN_SECONDS: Final = 60.0
"""How long an execution of a function that no worker knows is offered around."""

UNKNOWN_PAUSE: Final = 1.0
"""Seconds before it is handed back each time, so that it does not spin."""


@dataclass(frozen=True)
class SharedParts:
    """What all slots of a worker share."""

    name: str
    group: str
    pid: str
    registry: Registry
    transport: Transport
    tasks: Tasks
    inbox: Inbox
    leases: Leases


class Slot:
    """Runs one execution after the other until the inbox is closed."""

    def __init__(self, parts: SharedParts) -> None:
        self.parts = parts
        self._client = SlotClient(self)

    def start(self) -> None:
        self._client.start()

    def replace(self, client: SlotClient) -> None:
        """Go on with a new client. Called on a thread of the old one, which is stopped apart."""
        if client is not self._client:
            return
        self._client = SlotClient(self)
        self._client.start()
        threading.Thread(target=client.stop, name="closing", daemon=True).start()


class SlotClient:
    """One client of a slot, and the SDK's message source and task store for it."""

    def __init__(self, slot: Slot) -> None:
        parts = slot.parts
        self._slot = slot
        self._parts = parts
        self._log = get_logger()
        self._free = threading.Semaphore(1)
        self._stopped = threading.Event()
        self._runs = 0
        self._promises: tuple[DurablePromise, DurablePromise | None] | None = None
        self._store = FencedStore(parts.transport, parts.name)
        self._store.tasks = SlotTaskStore(parts.transport, self)
        self._client = build_client(
            self._store,
            SlotMessageSource(self, parts.group, parts.pid),
            group=parts.group,
            pid=parts.pid,
            registry=parts.registry,
            threads=STEP_THREADS,
        )

    def start(self) -> None:
        self._client.start()

    def stop(self) -> None:
        """End the client's threads; waits for a step that is still running."""
        self._stopped.set()
        self._free.release()
        self._client.stop()

    def next_task(self) -> Offer | None:
        """Wait until the client is free and a task is claimed for it; None when it is over."""
        self._free.acquire()
        while not self._stopped.is_set():
            offer = self._parts.inbox.take()
            if offer is None:
                return None
            try:
                if self._claim(offer):
                    return offer
            except Exception:  # noqa: BLE001 - it would end the process, on this thread of the SDK
                self._log.exception("task not taken", task=offer.task)
        return None

    def _claim(self, offer: Offer) -> bool:
        """Claim the task and make it ready for the SDK; False if it is not for us after all."""
        claim = Claim(offer.task, offer.counter, offer.execution)
        leases = self._parts.leases
        leases.hold(claim)
        try:
            root, leaf = self._parts.tasks.claim_raw(
                claim.task, claim.counter, self._parts.pid, leases.milliseconds
            )
        except Refused:
            leases.release(claim)
            return False
        except Unanswered:
            leases.give_back(claim)
            return False
        try:
            return self._admit(claim, offer, root, leaf)
        except BaseException:
            leases.give_back(claim)
            raise

    def _admit(
        self,
        claim: Claim,
        offer: Offer,
        root_data: dict[str, Any],
        leaf_data: dict[str, Any] | None,
    ) -> bool:
        root = self._store.promise(root_data)
        leaf = self._store.promise(leaf_data) if leaf_data else None
        claim.execution, claim.deadline = root.id, root.timeout
        claim.trace_id = root.tags.get(tag.TRACE)
        self._store.claim = claim
        try:
            call = decode_call(root.param.data)
            if offer.kind == "resume" and leaf is None:
                raise ValueError("nothing to resume with")  # noqa: TRY301 - unfit either way
        except ValueError as error:
            # The SDK would end the process over it, and so every worker in turn.
            self._reject(claim, Failure("InvalidCall", str(error)))
            return False
        if not self._knows(call):
            self._pass_on(claim, call, root)
            return False
        if root.tags.get(tag.KIND) == tag.CHILD and self._is_over(claim):
            return False
        self._promises = root, leaf
        hold = ClaimHandle(claim, self._parts.leases, self._parts.name, self._parts.group)
        self._client.set_dependency("hold", hold)
        self._runs += 1
        return True

    def _knows(self, call: Call) -> bool:
        try:
            self._parts.registry.get(call.function, call.version)
        except ValueError:
            return False
        return True

    def _pass_on(self, claim: Claim, call: Call, root: DurablePromise) -> None:
        """Leave the execution to a newer worker, as there is in the middle of an update."""
        ready_at = max(root.created_on, int(root.tags.get("resonate:delay", "0"))) / 1000
        wanted = f"{call.function} version {call.version}"
        if time.time() - ready_at > UNKNOWN_SECONDS:
            self._reject(claim, Failure("UnknownFunction", f"no worker knows {wanted}"))
            return
        self._log.warning("unknown function handed back", **claim.named, function=wanted)
        self._parts.leases.give_back(claim, UNKNOWN_PAUSE)

    def _is_over(self, claim: Claim) -> bool:
        """End a child that nobody waits for any more: whoever canceled may not have come so far."""
        ended = next(filter(self._has_ended, ancestors(claim.execution)), None)
        if ended is None:
            return False
        self._log.info("child canceled", **claim.named, ended=ended)
        self._store.promises.cancel(claim.execution, ikey=cancel_key(claim.execution))
        self._let_go(claim)
        return True

    def _has_ended(self, id: str) -> bool:
        try:
            return not self._store.promises.get(id).pending
        except Refused as refusal:
            if refusal.code != PROMISE_NOT_FOUND:
                raise
            return True

    def _reject(self, claim: Claim, failure: Failure) -> None:
        self._log.error("execution rejected", **claim.named, reason=failure.message)
        self._store.promises.reject(claim.execution, ikey=claim.execution, data=failure.rejection())
        self._let_go(claim)

    def _let_go(self, claim: Claim) -> None:
        if claim.finished:
            self._parts.leases.release(claim)
        else:
            self._parts.leases.give_back(claim)

    def wait_stopped(self) -> None:
        """Return when the client is over."""
        self._stopped.wait()

    def claimed(self) -> tuple[DurablePromise, DurablePromise | None]:
        """Return what the claim that `next_task` made was answered with."""
        if self._promises is None:
            raise RuntimeError("the SDK asked for a claim that was not made")
        return self._promises

    def ended(self) -> None:
        """The SDK has nothing more to do for the claim: finished, suspended or fenced off."""
        claim = self._store.claim
        if claim is None:
            return
        suspended = claim.lost is None and not claim.finished
        if suspended:
            self._complete(claim)
        if claim.lost is None:
            self._parts.leases.release(claim)
        else:
            self._parts.leases.give_back(claim)
        self._store.claim = None
        if suspended or claim.lost is not None or self._runs >= RUNS_PER_CLIENT:
            self._slot.replace(self)
        else:
            self._free.release()

    def _complete(self, claim: Claim) -> None:
        try:
            self._parts.tasks.complete(claim.task, claim.counter)
        except (Refused, Unanswered) as error:
            claim.lost = str(error)
            self._log.warning("task not completed", task=claim.task, reason=claim.lost)
