"""The clock, chance and I/O in a body are found and named with their line."""

from __future__ import annotations

import datetime as dt
import os
import random
import secrets
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic as now
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import function
from durable_http.testing import NonDeterministic, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http import Context, Step, Workflow


@dataclass
class Order:
    """Has a default that differs each time."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)


def helper() -> float:
    """Read the clock by way of another helper."""
    return deeper()


def deeper() -> float:
    """Read the clock."""
    return time.time()


def branch_on_the_hour(context: Context) -> Workflow[Any]:
    """Branch on the clock in a part of the body, as a helper may be."""
    if datetime.now().hour < 12:  # noqa: DTZ005
        yield context.sleep(1)
    return None


CALLS: dict[str, Callable[[], object]] = {
    "time.time()": lambda: time.time(),  # noqa: PLW0108 - the call must be the body's
    "time.monotonic()": lambda: now(),  # noqa: PLW0108
    "time.sleep()": lambda: time.sleep(0),
    "time.localtime()": lambda: time.localtime(),  # noqa: PLW0108
    "datetime.now()": lambda: datetime.now(dt.UTC),
    "date.today()": lambda: dt.date.today(),  # noqa: DTZ011, PLW0108
    "random.random()": lambda: random.random(),  # noqa: PLW0108
    "random.randint()": lambda: random.randint(1, 6),
    "random.SystemRandom()": lambda: random.SystemRandom().choice([1]),
    "uuid.uuid4()": lambda: uuid.uuid4(),  # noqa: PLW0108
    "os.urandom()": lambda: os.urandom(1),
    "os.getenv()": lambda: os.getenv("HOME"),
    "os.environ.get()": lambda: os.environ.get("HOME"),
    "secrets.token_hex()": lambda: secrets.token_hex(),  # noqa: PLW0108
    "open()": lambda: open(os.devnull).close(),  # noqa: PTH123
    "Path.exists()": lambda: Path("/").exists(),
    "socket.gethostname()": lambda: socket.gethostname(),  # noqa: PLW0108
    "subprocess.run()": lambda: subprocess.run(["true"], check=False),
}


@function
def calling(context: Context, name: str) -> Workflow[None]:
    """Make a call in its body."""
    CALLS[name]()
    yield context.progress(1, 1)


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_found(name: str) -> None:
    """A call that belongs in a step is named, with its file and line."""
    line = CALLS[name].__code__.co_firstlineno

    with pytest.raises(NonDeterministic) as caught:
        run(calling, name)

    assert str(caught.value) == (
        f"calling calls {name} in its body at test_watch.py:{line}; put it into a step"
    )


@pytest.mark.parametrize("name", ["time.time()", "random.randint()"])
def test_calls_can_be_allowed(name: str) -> None:
    """A call that does no harm, such as a measurement, can be allowed by its name."""
    assert run(calling, name, allow={name.removesuffix("()")}).status == "resolved"


def in_a_helper(context: Context) -> Workflow[None]:
    """Read the clock in a helper."""
    helper()
    yield context.progress(1, 1)


def in_a_comprehension(context: Context) -> Workflow[None]:
    """Read the clock in a generator expression."""
    list(time.time() for _ in range(1))  # noqa: C400 - a generator has code of its own
    yield context.progress(1, 1)


def in_a_key(context: Context) -> Workflow[None]:
    """Read the clock in what Python's own code calls."""
    sorted([1], key=lambda _: time.time())
    yield context.progress(1, 1)


def in_a_part(context: Context) -> Workflow[None]:
    """Read the clock in a part of the body."""
    yield from branch_on_the_hour(context)


def in_a_partial(context: Context) -> Workflow[None]:
    """Read the clock in a partial call."""
    partial(helper)()
    yield context.progress(1, 1)


def in_a_default(context: Context) -> Workflow[Any]:
    """Make a key as the default of a field."""
    yield context.progress(1, 1)
    return str(Order().id)


def after_a_wait(context: Context) -> Workflow[None]:
    """Read the clock after a wait."""
    yield context.sleep(1)
    helper()


def in_finally(context: Context) -> Workflow[None]:
    """Read the clock in a `finally` block."""
    try:
        yield context.sleep(1)
    finally:
        helper()


def swallowed(context: Context) -> Workflow[None]:
    """Catch everything after the call."""
    yield context.progress(1, 1)
    with suppress(ValueError):
        raise ValueError(helper())


BODIES = (
    in_a_helper,
    in_a_comprehension,
    in_a_key,
    in_a_part,
    in_a_partial,
    in_a_default,
    after_a_wait,
    in_finally,
    swallowed,
)


@pytest.mark.parametrize("body", [function(body) for body in BODIES], ids=lambda b: b.__name__)
def test_calls_are_found_wherever_the_body_makes_them(body: Any) -> None:
    """Helpers of the user are looked through, wherever the body calls them."""
    with pytest.raises(NonDeterministic, match=r"calls .* in its body at .*; put it into a step"):
        run(body)


def test_steps_may_call_everything() -> None:
    """What a step calls is not the body's, also in a helper that both use."""

    def stamp(step: Step) -> float:
        return helper() + random.random()

    @function
    def stamped(context: Context) -> Workflow[Any]:
        yield context.sleep(1)
        return (yield context.step(stamp))

    assert run(stamped).result > 0


def test_calls_that_read_no_clock_pass() -> None:
    """A time that was given is no clock, and a seed of its own is no chance."""

    @function
    def pure(context: Context, at: float) -> Workflow[Any]:
        moment = datetime.fromtimestamp(at, dt.UTC) + dt.timedelta(hours=time.gmtime(at).tm_hour)
        yield context.progress(random.Random(1).randint(1, 6), 6)
        key = uuid.uuid5(uuid.NAMESPACE_URL, "x")
        return [moment, key, Path("a") / "b" == Path("a/b")]

    assert run(pure, 0.0).result == [
        "1970-01-01T00:00:00+00:00",
        str(uuid.uuid5(uuid.NAMESPACE_URL, "x")),
        True,
    ]
