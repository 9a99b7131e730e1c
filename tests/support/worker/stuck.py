"""A worker whose functions hang or start processes: `python -m tests.support.worker.stuck`."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from durable_http import Context, RetryPolicy, Step, Workflow
from tests.support.worker.program import declare, serve

LONG: Final = 3600.0
"""Seconds that nobody waits for."""


def hang(_: Step, seconds: float | None) -> None:
    """Do not end in time."""
    time.sleep(seconds or LONG)


def hang_in_body(_: Context, given: str | float | None) -> Workflow[None]:
    """Do not come to the first `yield`, for a number of seconds; a text names a file to leave."""
    if isinstance(given, str):
        Path(given).touch()
    time.sleep(given if isinstance(given, int | float) else LONG)
    yield  # type: ignore[misc]  # never


def hang_in_finally(context: Context, seconds: float | None) -> Workflow[None]:
    """Hang in a step, and then in the block that runs when the execution is canceled."""
    try:
        yield context.step(hang, seconds)
    finally:
        time.sleep(seconds or LONG)


def tidy(context: Context, path: str) -> Workflow[None]:
    """Hang in a step; a `finally` leaves a file."""
    try:
        yield context.step(hang, None)
    finally:
        Path(path).touch()


def wait_for_next_try(context: Context, path: str) -> Workflow[None]:
    """Fail in a step that would be tried again much later; a `finally` leaves a file."""

    def fail(_: Step) -> None:
        raise OSError("not yet")

    try:
        yield context.step(fail, retry=RetryPolicy(2, LONG, LONG))
    finally:
        Path(path).touch()


def listen(step: Step, path: str) -> None:
    """Stop by itself, and leave a file, once the step is canceled."""
    while not step.canceled():
        time.sleep(0.01)
    Path(path).touch()


def hold_memory(step: Step, mebibytes: int) -> None:
    """Hold so much memory until the step is canceled."""
    held = b"x" * (mebibytes << 20)
    while not step.canceled():
        time.sleep(0.01)
    del held


def slow_once(context: Context, path: str) -> Workflow[int]:
    """Hang in the first attempt of a step; return the number of the attempt that did not."""

    def work(step: Step) -> int:
        if step.attempt == 1:
            while not step.canceled():
                time.sleep(0.01)
            Path(path).touch()
        return step.attempt

    result: int = yield context.step(work, retry=RetryPolicy(3, 0.01, 0.01))
    return result


def end_bridges(_: Step, __: Any) -> None:
    """End the SDK's threads named `bridge` when they are next at work."""
    for thread in threading.enumerate():
        if thread.name == "bridge":
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
            )


def end_child(_: Step, __: Any) -> int:
    """Return how a program ends that is told to."""
    with subprocess.Popen(["sleep", "20"]) as child:
        child.terminate()
        return child.wait(10)


def use_pool(_: Step, method: Any) -> list[int]:
    """Return what the processes of a pool compute."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        return list(pool.map_async(abs, [-1, -2, -3]).get(30))


def fork(step: Step, path: str) -> dict[str, Any]:
    """Fork; return what the child sees, and how it ends at SIGTERM."""
    ready, report = os.pipe()
    child = os.fork()
    if child == 0:
        sockets = [fd for fd in Path("/proc/self/fd").iterdir() if _is_socket(fd)]
        os.write(report, str(len(sockets)).encode())
        time.sleep(LONG)
        os._exit(1)
    inherited = int(os.read(ready, 10))
    os.kill(child, signal.SIGTERM)
    status = os.waitpid(child, 0)[1]
    Path(path).touch()
    return {"sockets": inherited, "signal": os.WTERMSIG(status)}


def leave_child(step: Step, path: str) -> None:
    """Fork a process that lives on; write its id into a file, and hang."""
    child = os.fork()
    if child == 0:
        time.sleep(LONG)
        os._exit(1)
    part = Path(f"{path}.part")
    part.write_text(str(child))
    part.rename(path)
    time.sleep(LONG)


def hold_interpreter(_: Step, seconds: int) -> None:
    """Let no other thread of the process run for so many seconds."""
    ctypes.PyDLL(None).sleep(seconds)


def _is_socket(fd: Path) -> bool:
    try:
        return str(fd.readlink()).startswith("socket:")
    except OSError:
        return False


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        hang,
        hang_in_body,
        hang_in_finally,
        tidy,
        wait_for_next_try,
        listen,
        hold_memory,
        slow_once,
        end_bridges,
        end_child,
        use_pool,
        fork,
        leave_child,
        hold_interpreter,
    )
}

declare(FUNCTIONS)

if __name__ == "__main__":
    serve("tests.support.worker.stuck")
