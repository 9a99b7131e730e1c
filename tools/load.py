"""Loads the service with hey (and oha, if installed), then checks that all executions ended.

`python -m tools.load [REQUESTS CLIENTS]`, or `make load`. It prints the commands, to be copied.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

from tools.api import NotAnsweredError, from_environment, wait_for
from tools.stack import StackError, find_stack

if TYPE_CHECKING:
    from tools.api import Api
    from tools.stack import Stack

REQUESTS, CLIENTS = 2000, 50
END_SECONDS = 120.0
"""Seconds after the load in which all accepted executions must end."""

REPORTED_LINE = re.compile(r"\s*(Requests/sec|Average|Slowest|50%|95%|99%|\[\d{3}\]|Success rate)")


class LoadError(Exception):
    """There was no load; the message is the reason."""


def run(command: list[str]) -> str:
    """Print a command, run it, and return its standard output. Raises `LoadError`."""
    print(f"\n$ {shlex.join(command)}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def accepted(report: str) -> int:
    """Return the number of 202 answers in a report of hey or oha."""
    counts = re.findall(r"\[202\]\s+(\d+) responses", report)
    return sum(map(int, counts))


def hey(api: Api, requests: int, clients: int) -> int:
    """Run hey with new begins, then with waits; return the number of accepted begins."""
    common = ["hey", "-n", str(requests), "-c", str(clients)]
    begin = [*common, "-m", "POST", "-T", "application/json", "-d", '{"foo":"load"}']
    report = show(run([*begin, f"{api.url}/begin"]))
    api.begin("load-wait")
    show(run([*common, f"{api.url}/wait?id=load-wait"]))
    return accepted(report)


def oha(api: Api, requests: int, clients: int) -> int:
    """Run oha with begins, each with an id; return the number of accepted begins."""
    url = f"{api.url}/begin\\?id=load-{uuid.uuid4().hex[:6]}-[a-z0-9]{{12}}"
    command = ["oha", "--no-tui", "-n", str(requests), "-c", str(clients), "-m", "POST"]
    return accepted(show(run([*command, "--rand-regex-url", url])))


def show(report: str) -> str:
    """Print the rates, latencies and statuses of a report; return the report."""
    for line in report.splitlines():
        if REPORTED_LINE.match(line):
            print(line)
    return report


def load(api: Api, stack: Stack, requests: int, clients: int) -> int:
    """Return 0 if every accepted execution ended, 1 if not. Raises `LoadError` and `StackError`."""
    tools = [tool for tool in (hey, oha) if shutil.which(tool.__name__)]
    if not tools:
        raise LoadError("hey is not installed: apt install hey, or brew install hey")
    before = set(stack.pending())
    count = sum(tool(api, requests, clients) for tool in tools)
    loaded = time.monotonic()
    ended = wait_for(lambda: not set(stack.pending()) - before, END_SECONDS)
    if ended is None:
        pending = len(stack.pending())
        print(f"\nat least {pending} executions are still pending after {END_SECONDS:g} s")
        return 1
    seconds = time.monotonic() - loaded
    print(f"\n{count} executions accepted; all had ended {seconds:.1f} s after the load")
    return 0 if count else 1


def main(arguments: list[str]) -> int:
    """Return 0 if every accepted execution ended, 1 if not, 2 if there was no load."""
    try:
        requests, clients = map(int, arguments or (REQUESTS, CLIENTS))
    except ValueError:
        print("usage: python -m tools.load [REQUESTS CLIENTS]", file=sys.stderr)
        return 2
    api = from_environment()
    try:
        return load(api, find_stack(), requests, clients)
    except (LoadError, StackError, NotAnsweredError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
