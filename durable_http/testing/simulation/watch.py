"""Sees what the body of a function calls itself, and finds the clock, chance and I/O there.

Python reports each call in the code that is watched (`sys.monitoring`): the function itself and the
helpers that it calls, if they are the user's code. Steps may share these helpers: only what is
called while the body runs counts. Nothing is replaced, and other code runs at full speed.
"""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
import threading
import warnings
from contextlib import contextmanager
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from durable_http.testing.simulation.impure import CALLABLES, impure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

TOOLS: Final = (4, 3)
"""Numbers of `sys.monitoring` that no debugger, profiler or coverage tool has by custom."""

TOOL_NAME: Final = "durable_http.testing"
CALL: Final = sys.monitoring.events.CALL
LIBRARIES: Final = tuple(
    {os.path.join(path, "") for key, path in sysconfig.get_paths().items() if "lib" in key}  # noqa: PTH118 - a prefix of paths
)
OURS: Final = "durable_http."


class Watch:
    """Collects the impure calls of a body. `allowed` are names of calls that do not count."""

    def __init__(self, function: Callable[..., Any], allowed: Collection[str]) -> None:
        self._package = _package(function)
        self._allowed = allowed
        self._found: str | None = None
        self._tool = _tool()
        self._include(function)
        self._include(inspect.unwrap(function))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs meanwhile in this thread."""
        before, _running.watch = getattr(_running, "watch", None), self
        try:
            yield
        finally:
            _running.watch = before

    def found(self) -> str | None:
        """Return the first impure call with its place, and forget it."""
        found, self._found = self._found, None
        return found

    def called(self, code: CodeType, offset: int, call: Any, first: Any) -> None:
        name = impure(call, first)
        if name is None:
            self._include(call)
        elif self._found is None and name.removesuffix("()") not in self._allowed:
            self._found = f"{name} in its body at {_place(code, offset)}"

    def _include(self, call: Any) -> None:
        """Watch the code of a function or class of the user as well."""
        if self._tool is None:
            return
        function = _function_of(call)
        if function is not None and self._is_users(function):
            _watch_code(self._tool, function.__code__)

    def _is_users(self, function: FunctionType) -> bool:
        if _package(function) == self._package:
            return not str(function.__module__).startswith(OURS)
        return not function.__code__.co_filename.startswith((*LIBRARIES, "<frozen"))


def _function_of(call: Any) -> FunctionType | None:
    """Return the function that a call runs, None if that is no Python."""
    if isinstance(call, partial):
        call = call.func
    if isinstance(call, type):
        call = vars(call).get("__init__")
    elif isinstance(call, MethodType):
        call = call.__func__
    elif not isinstance(call, CALLABLES):
        call = getattr(type(call), "__call__", None)  # noqa: B004 - the class's own, if any
    return call if isinstance(call, FunctionType) else None


_running = threading.local()
_lock = threading.Lock()


def _tool() -> int | None:
    """Return the number under which Python reports calls to us."""
    monitoring = sys.monitoring
    with _lock:
        for tool in TOOLS:
            user = monitoring.get_tool(tool)
            if user is None:
                monitoring.use_tool_id(tool, TOOL_NAME)
                monitoring.register_callback(tool, CALL, _called)
            if user in {None, TOOL_NAME}:
                return tool
    warnings.warn("clocks in bodies are not looked for: sys.monitoring is in use", stacklevel=2)
    return None


def _called(code: CodeType, offset: int, call: Any, first: Any) -> None:
    watch: Watch | None = getattr(_running, "watch", None)
    if watch is not None:
        watch.called(code, offset, call, first)


def _watch_code(tool: int, code: CodeType) -> None:
    if sys.monitoring.get_local_events(tool, code) & CALL:
        return
    sys.monitoring.set_local_events(tool, code, CALL)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            _watch_code(tool, inner)


def _package(function: Any) -> str:
    return str(getattr(function, "__module__", None) or "").partition(".")[0]


def _place(code: CodeType, offset: int) -> str:
    lines = (line for start, end, line in code.co_lines() if start <= offset < end)
    return f"{os.path.basename(code.co_filename)}:{next(lines, None) or code.co_firstlineno}"  # noqa: PTH119 - the code may have no file
