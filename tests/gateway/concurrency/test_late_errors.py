"""Errors of calls that were given up."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import DeadlineExceeded


class LateError(Exception):
    """What a call raises when its caller has left. Only errors of own classes can be watched."""


async def test_a_late_error_is_kept_by_nobody() -> None:
    """What a given-up call has raised is freed at once, without a collection of garbage."""
    errors: list[weakref.ref[BaseException]] = []

    def call() -> None:
        time.sleep(0.1)
        error = LateError()
        errors.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    executor = BoundedExecutor(1, 1, 0.05)
    gc.disable()
    try:
        with pytest.raises(DeadlineExceeded):
            await executor.run(call)
        executor._deadline = 60
        for _ in range(3):
            await executor.run(int)
        assert [error() for error in errors] == [None]
    finally:
        gc.enable()
        executor.close()
