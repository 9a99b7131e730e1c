"""User code that hangs, keeps the interpreter, ends its worker, or returns what is not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.faults.attacks.attack import Attack
from tests.support.faults.attacks.client import Broken
from tests.support.worker.misbehaving import ERRORS, RESULTS, UNSTORABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.faults.attacks.attack import Bout

HANG_SECONDS: Final = 40.0
"""Seconds that hung code hangs on after its execution has ended.

So fewer threads are left behind at a time than a worker with too many of them replaces itself for.
"""

POISONS: Final = ("kills", "segfaults", "body_kills")


def hung_canceled(bout: Bout) -> None:
    """Cancel a fanout whose parts hang, and code that hangs between its steps."""
    fanout, body, end = bout.ids(3)
    bout.begin(fanout, "fanout", {"parts": 8, "pace": HANG_SECONDS})
    bout.create(body, "hang_in_body", HANG_SECONDS)
    bout.create(end, "hang_in_finally", HANG_SECONDS)
    bout.pause(2)
    for id in (fanout, body, end):
        bout.cancel(id)
        bout.ends_with(id, 10, "Canceled")


def hung_until_timeout(bout: Bout) -> None:
    """Begin five executions whose steps hang past their deadlines."""
    ids = bout.ids(5)
    for id in ids:
        bout.begin(id, "checkout", {"pace": HANG_SECONDS}, timeout="3s")
    for id in ids:
        bout.ends_with(id, 30, "TimedOut")


def raised(bout: Bout) -> None:
    """Raise errors that are no `Exception`, cannot be shown, or have no end."""
    _all_rejected(bout, _functions(bout, ERRORS, "raises", "body_raises"))


def not_json(bout: Bout) -> None:
    """Return what is not JSON, NaN among it."""
    functions = _functions(bout, RESULTS, "returns", "body_returns")
    _all_rejected(bout, [*functions, "unencodable", "yields_garbage"])


def _functions(bout: Bout, names: Iterable[str], *kinds: str) -> list[str]:
    """Return four functions of these kinds."""
    return bout.random.sample([f"{kind}_{name}" for name in names for kind in kinds], 4)


def _all_rejected(bout: Bout, functions: list[str]) -> None:
    """Check that each of these functions ends as rejected, one way or another."""
    ids = bout.ids(len(functions))
    for id, function in zip(ids, functions, strict=True):
        bout.create(id, function)
    for id in ids:
        bout.ends_rejected(id, 60)


def not_storable(bout: Bout) -> None:
    """Sleep for NaN seconds, name a step with half a character, and so on."""
    ids = bout.ids(4)
    for id, name in zip(ids, bout.random.sample(sorted(UNSTORABLE), 4), strict=True):
        bout.create(id, f"makes_{name}")
    for id in ids:
        bout.ended(id, 60)


def interpreter_lock(bout: Bout) -> None:
    """Hold the interpreter's lock for longer than a lease."""
    (id,) = bout.ids(1)
    bout.create(id, "holds_gil", 2.5)
    bout.ended(id, 60)


def poison(bout: Bout) -> None:
    """End one worker after the other, until the poison is found out."""
    (id,) = bout.ids(1)
    bout.create(id, bout.random.choice(POISONS), 1, seconds=300)
    state = bout.ended(id, 180)
    if state and state["status"] != "resolved" and state["error"]["type"] != "WorkerLost":
        raise Broken(f"{id} ended {state['status']} with {state['error']['type']}")


def large_results(bout: Bout) -> None:
    """Return 40 MiB from a step, from a body, and to a child."""
    ids = bout.ids(3)
    for id, function in zip(ids, ("bulky", "bulky_body", "bulky_parent"), strict=True):
        bout.create(id, function, 40 * 1024)
        bout.ends_with(id, 60, "ResultTooLarge")


def processes(bout: Bout) -> None:
    """Start programs, a pool and a fork in steps."""
    program, pool, fork = bout.ids(3)
    bout.create(program, "end_child")
    bout.create(pool, "use_pool", "fork")
    bout.create(fork, "fork", str(bout.target.directory / fork))
    for id in (program, pool, fork):
        bout.ended(id, 60)


def unknown(bout: Bout) -> None:
    """Begin what no worker knows, and calls that no gateway can have written."""
    ids = bout.ids(6)
    for id in ids[:3]:
        bout.create(id, "from_the_future")
    for id, data in zip(ids[3:], ("", "null", '{"func": "foo"}'), strict=True):
        bout.create_raw(id, data)
    bout.pause(4)
    for id in ids[3:]:
        bout.is_rejected_in_store(id, 30)


ATTACKS: Final = (
    Attack("hung-canceled", 15, hung_canceled),
    Attack("hung-until-timeout", 20, hung_until_timeout),
    Attack("raised", 10, raised),
    Attack("not-json", 10, not_json),
    Attack("not-storable", 10, not_storable),
    Attack("interpreter-lock", 30, interpreter_lock),
    Attack("poison", 240, poison),
    Attack("large-results", 30, large_results),
    Attack("processes", 20, processes),
    Attack("unknown", 20, unknown),
)
