"""Workers with code of their own, and the executions that it runs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.ids import parts_pattern
from shared.resonate import tags as tag
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

HEAD: Final = """
    from durable_http import Context, Workflow, function

    def echo(step, value):
        return value
"""

WRITTEN: Final = """
    one = yield context.step(echo, 1, name="reserve")
    go = yield context.signal("go", timeout=300)
    two = yield context.step(echo, 2, name="charge")
    return [one, go, two]
"""


CHANGES: Final = {
    "inserted": (WRITTEN.replace("one =", "yield context.step(echo, 0, name='quote')\n    one =")),
    "removed": WRITTEN.replace('yield context.step(echo, 1, name="reserve")', "1"),
    "renamed": WRITTEN.replace("reserve", "hold"),
    "slept": WRITTEN.replace(
        'yield context.step(echo, 1, name="reserve")', "yield context.sleep(0)"
    ),
    "begun": WRITTEN.replace(
        'yield context.step(echo, 1, name="reserve")', 'yield context.begin("cut")'
    ),
    "reported": WRITTEN.replace(
        'yield context.step(echo, 1, name="reserve")', "yield context.progress(1, 2)"
    ),
    "swapped": """
    go = yield context.signal("go", timeout=300)
    one = yield context.step(echo, 1, name="reserve")
    two = yield context.step(echo, 2, name="charge")
    return [one, go, two]
""",
    "unasked": WRITTEN.replace('yield context.signal("go", timeout=300)', "None"),
    "resignaled": WRITTEN.replace('"go"', '"stop"'),
    "cut": "\n    one = yield context.step(echo, 1, name='reserve')\n    return [one, 7, 2]\n",
    "emptied": "\n    return [1, 7, 2]\n    yield\n",
    "failing": "\n    yield context.step(echo, 1, name='reserve')\n    raise ValueError('new')\n",
}
"""Bodies that take another way than `WRITTEN` before its wait, or at it."""

FOUND: Final = {
    "inserted": ("step reserve", "step quote"),
    "removed": ("step reserve", "signal go"),
    "renamed": ("step reserve", "step hold"),
    "slept": ("step reserve", "sleep"),
    "begun": ("step reserve", "child cut"),
    "reported": ("step reserve", "progress"),
    "swapped": ("step reserve", "signal go"),
    "unasked": ("signal go", "step charge"),
    "resignaled": ("signal go", "signal stop"),
    "cut": ("signal go", "the end"),
    "emptied": ("step reserve", "the end"),
    "failing": ("signal go", "the end"),
}
"""What the history of an execution expects, and what the changed code asks for instead."""


def module(bodies: dict[str, str], version: int = 1) -> str:
    """Return the source of a module that declares a function with each body."""
    declared = [
        f"\n@function(name={name!r}, version={version})\n"
        f"def {name}(context: Context, given: object = None) -> Workflow:{body}"
        for name, body in bodies.items()
    ]
    return textwrap.dedent(HEAD) + "".join(declared)


def deploy(stack: Stack, name: str, directory: Path, source: str) -> None:
    """Start a worker with a module of its own."""
    code = directory / name
    code.mkdir()
    (code / "flows.py").write_text(source)
    environment = {"PYTHONPATH": f"{code}:.", "WORKER_FUNCTIONS": "flows"}
    stack.add_worker(name, "worker", **environment)


def blocked(stack: Stack, id: str) -> dict[str, Any]:
    """Wait until a worker has found that the execution is blocked; return what its record says."""

    def record() -> dict[str, Any] | None:
        with stack.store() as store:
            found, _ = store.promises.search(parts_pattern(id), {tag.EXECUTION: id}, limit=1)
        if not found or not found[0].pending or tag.BLOCKED not in found[0].tags:
            return None
        said: dict[str, Any] = orjson.loads(found[0].tags[tag.BLOCKED])
        return said

    return wait_until(record, what=f"the record that {id} is blocked") or {}


def result(stack: Stack, id: str) -> Any:
    """Wait for the execution's end; return its result, or its state if it has failed."""
    with stack.store() as store:
        wait_until(lambda: not store.promises.get(id).pending, seconds=60, what=f"the end of {id}")
        promise = store.promises.get(id)
    if promise.state != "RESOLVED":
        return promise.state, promise.value.data
    return orjson.loads(orjson.loads(promise.value.data or ""))
