"""Does harm to the containers: seeded faults, each of which it takes back."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.chaos.containers import WORKERS
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from random import Random

    from tests.support.chaos.containers import Containers
    from tests.support.faults.history import History

GAP_SECONDS = (1.0, 10.0)
"""Seconds between two faults."""

LASTS_SECONDS = {"kill": (0.5, 6.0), "pause": (0.5, 8.0), "cut": (1.0, 12.0), "restart": (0.0, 0.0)}
AT_ONCE = 0.25
"""Share of faults beside which another one happens to another container."""

READY_SECONDS = 20.0
"""Seconds within which the service is to be ready again, after which a fault counts as over."""

LEASE_SECONDS = 3.0
"""Seconds for which claims can still be lost by a fault that is over: a lease, and a turn."""


@dataclass(frozen=True)
class Fault:
    """What is done to which container; `peer` is the only one from which a cut cuts it off."""

    how: str
    name: str
    peer: str = ""
    role: str = ""

    @property
    def what(self) -> str:
        """The kind of the fault, as the summary counts it."""
        role = self.role or self.name.rstrip("-123456789")
        return f"{self.how} {role}" + (f" from {self.peer.rstrip('-123456789')}" * bool(self.peer))

    @property
    def loses(self) -> dict[str, str]:
        """Whose claims can be lost: a worker's own, or all, where none can reach the server."""
        for name in (self.name, self.peer):
            if name in WORKERS:
                # A worker that does not reach a gateway has its leases still.
                return {} if self.peer.startswith("gateway") else {"worker": name}
        serves = self.name in {"resonate", "resonate-spare", "postgres", "haproxy"}
        return {"worker": "*"} if serves and self.role != "spare" else {}


@dataclass
class Nemesis:
    """Injects faults until it is over; `busy` has the containers that it ends itself."""

    containers: Containers
    history: History
    chance: Random
    busy: Counter[str] = field(default_factory=Counter)
    done: int = 0
    _notes: set[asyncio.Task[None]] = field(default_factory=set)

    async def work(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await _pause(over, self.chance.uniform(*GAP_SECONDS))
            if over.is_set():
                break
            faults = [await self._choose()]
            if self.chance.random() < AT_ONCE:
                other = await self._choose()
                if other.name != faults[0].name:
                    faults.append(other)
            async with contextlib.AsyncExitStack() as stack:
                for fault in faults:
                    await stack.enter_async_context(self._injected(fault))
                lasts = max(self.chance.uniform(*LASTS_SECONDS[fault.how]) for fault in faults)
                await asyncio.sleep(lasts)

    async def heal(self) -> None:
        """Take back whatever is left, and note that all faults are over."""
        await asyncio.to_thread(self.containers.heal)
        if self._notes:
            await asyncio.wait(self._notes)
        self.history.note("healed")

    async def _choose(self) -> Fault:
        kinds: list[Callable[[Random], Fault]] = [*self._any_store()]
        if self.containers.is_ha:
            kinds += self._ha_only()
        fault = self.chance.choice(kinds)(self.chance)
        if fault.name not in {"active", "spare"}:
            return fault
        active = await asyncio.to_thread(self.containers.active)
        spare = "resonate" if active == "resonate-spare" else "resonate-spare"
        return Fault(fault.how, active if fault.name == "active" else spare, fault.peer, fault.name)

    def _any_store(self) -> list[Callable[[Random], Fault]]:
        gateways = self.containers.gateways
        server = "haproxy" if self.containers.is_ha else "active"
        return [
            lambda chance: Fault("kill", chance.choice(WORKERS)),
            lambda chance: Fault("kill", chance.choice(WORKERS)),
            lambda chance: Fault("pause", chance.choice(WORKERS)),
            lambda chance: Fault("cut", chance.choice(WORKERS)),
            lambda chance: Fault("cut", chance.choice(WORKERS), chance.choice(gateways)),
            lambda chance: Fault("restart", chance.choice(WORKERS)),
            lambda chance: Fault("kill", chance.choice(gateways)),
            lambda chance: Fault("cut", chance.choice(gateways)),
            lambda chance: Fault("restart", chance.choice(gateways)),
            lambda chance: Fault("cut", chance.choice(gateways), _named(server)),
            lambda chance: Fault("cut", chance.choice(WORKERS), _named(server)),
            *(lambda _, how=how: Fault(how, "active") for how in LASTS_SECONDS),
        ]

    def _ha_only(self) -> list[Callable[[Random], Fault]]:
        return [
            lambda _: Fault("kill", "spare"),
            lambda _: Fault("restart", "spare"),
            lambda _: Fault("cut", "active", "postgres"),
            lambda _: Fault("kill", "active"),
            *(lambda _, how=how: Fault(how, "postgres") for how in LASTS_SECONDS),
            *(lambda _, how=how: Fault(how, "haproxy") for how in ("kill", "cut", "restart")),
        ]

    @contextlib.asynccontextmanager
    async def _injected(self, fault: Fault) -> AsyncIterator[None]:
        """Harm a container for as long as the block lasts, and note it once all works again."""
        at, name = time.time(), fault.name
        self.busy[name] += 1
        is_done = False
        try:
            is_done = await self._try(self._harm, fault)
            yield
            await self._try(self._undo, fault)
        finally:
            self.done += 1
            note = asyncio.create_task(self._note(fault, at, is_done=is_done))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    def _harm(self, fault: Fault) -> None:
        match fault.how:
            case "kill":
                self.containers.kill(fault.name)
            case "pause":
                self.containers.pause(fault.name)
            case "cut":
                self.containers.cut(fault.name, fault.peer)
            case _:
                self.containers.restart(fault.name)

    def _undo(self, fault: Fault) -> None:
        match fault.how:
            case "kill":
                self.containers.start(fault.name)
            case "pause":
                self.containers.unpause(fault.name)
            case "cut":
                self.containers.mend(fault.name)
            case _:
                pass

    async def _try(self, do: Callable[[Fault], None], fault: Fault) -> bool:
        """Do it to a container, which may have ended by itself; return whether it was done."""
        try:
            await asyncio.to_thread(do, fault)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self.history.note("failed", what=fault.what, error=str(error))
            return False
        return True

    async def _note(self, fault: Fault, at: float, *, is_done: bool) -> None:
        over = time.time()
        await asyncio.to_thread(self._await_ready)
        until = time.time() + LEASE_SECONDS
        times = {"at": at, "over": over, "until": until}
        # Docker can give up a pause half way, so it may have done harm all the same.
        what = fault.what if is_done else f"{fault.what}, which Docker refused"
        self.history.note("fault", what=what, on=fault.name, **times, **fault.loses)
        self.busy[fault.name] -= 1

    def _await_ready(self) -> None:
        with contextlib.suppress(AssertionError):
            wait_until(self._is_ready, seconds=READY_SECONDS)

    def _is_ready(self) -> bool:
        try:
            answer = call(f"{self.containers.compose.url}/readyz", timeout=2)
        except (OSError, ValueError):
            return False
        return bool((answer.body or {}).get("status") == "ok")


def _named(server: str) -> str:
    """Return the container that gateways and workers meet as the server."""
    return "resonate" if server == "active" else server


async def _pause(over: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
