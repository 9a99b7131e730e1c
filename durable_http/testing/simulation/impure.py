"""Which calls give another answer each time, so that they belong in a step."""

from __future__ import annotations

import os
import random
import sys
import time
from datetime import date
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType
from typing import Any, Final

CLOCKS: Final = frozenset(
    {
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "process_time_ns",
        "sleep",
        "thread_time",
        "thread_time_ns",
        "time",
        "time_ns",
    }
)
OF_NOW: Final = frozenset({"asctime", "ctime", "gmtime", "localtime"})
"""Functions of `time` that read the clock if they are given no time."""

OF_TODAY: Final = frozenset({"now", "today", "utcnow"})

FUNCTIONS: Final = frozenset(
    {
        "asyncio.run",
        "builtins.input",
        "http.client.HTTPConnection",
        "http.client.HTTPSConnection",
        "open",
        "os.getenv",
        "os.getpid",
        "os.getrandom",
        "os.listdir",
        "os.popen",
        "os.scandir",
        "os.stat",
        "os.system",
        "os.urandom",
        "sqlite3.connect",
        "urllib.request.urlopen",
        "urllib.request.urlretrieve",
        "uuid.uuid1",
        "uuid.uuid4",
        "uuid.uuid6",
        "uuid.uuid7",
    }
)
MODULES: Final = frozenset({"aiohttp", "httpx", "random", "requests", "secrets", "subprocess"})
"""Packages of which any call counts."""

SOCKETS: Final = frozenset({"_socket", "socket"})

PATHS: Final = frozenset(
    {
        "exists",
        "is_dir",
        "is_file",
        "iterdir",
        "open",
        "read_bytes",
        "read_text",
        "stat",
        "write_bytes",
        "write_text",
    }
)
RENAMED: Final = {"_io.open": "open", "posix": "os", "nt": "os", "_sqlite3": "sqlite3"}


CALLABLES: Final = (BuiltinFunctionType, FunctionType, MethodType, MethodDescriptorType, type)
"""What is looked at; the attributes of any other object may be code of the user."""


def impure(call: Any, first: Any) -> str | None:
    """Return the name of a call that belongs in a step, None for any other.

    `first` is its first argument, `sys.monitoring.MISSING` if it has none.
    """
    if not isinstance(call, CALLABLES):
        return None
    name = call.__name__
    owner = getattr(call, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date):
        return f"{owner.__name__}.{name}()" if name in OF_TODAY else None
    if isinstance(owner := first if owner is None else owner, random.Random):
        # A generator with a seed of its own gives the same numbers each time.
        shared = owner is _SHARED or isinstance(owner, random.SystemRandom)
        return f"random.{name}()" if shared else None
    if owner is os.environ:
        return f"os.environ.{name}()"
    return _impure_function(call, name, first)


_SHARED: Final = getattr(random, "_inst", None)


def _impure_function(call: Any, name: str, first: Any) -> str | None:
    module = getattr(call, "__module__", None) or ""
    top = module.partition(".")[0]
    if module == time.__name__:
        reads = name in CLOCKS or (name in OF_NOW and first is sys.monitoring.MISSING)
        return f"time.{name}()" if reads else None
    if call is random.Random:
        return None if first is not sys.monitoring.MISSING else "random.Random()"
    if top in SOCKETS:
        return f"socket.{name}()"
    if top == "pathlib":
        return f"Path.{name}()" if name in PATHS else None
    full = f"{module}.{name}"
    full = RENAMED.get(full, f"{RENAMED.get(module, module)}.{name}")
    return f"{full}()" if top in MODULES or full in FUNCTIONS else None
