"""Load the service with hey (and oha where it is), then see that every accepted job ended.

`python -m tools.load [REQUESTS] [CLIENTS]`, or `make load`. The commands are shown to be copied.
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

from tools.api import NotAnsweredError, of_environment, wait_for
from tools.stack import StackError, find

if TYPE_CHECKING:
    from tools.api import Api
    from tools.stack import Stack

REQUESTS, CLIENTS = 2000, 50
END_SECONDS = 120.0
WORTH_SHOWING = re.compile(r"\s*(Requests/sec|Average|Slowest|50%|95%|99%|\[\d{3}\]|Success rate)")


class LoadError(Exception):
    """The load could not be made; the message says what is missing."""


def run(command: list[str]) -> str:
    """Show a command, run it, and return its standard output. Raises `LoadError`."""
    print(f"\n$ {shlex.join(command)}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def accepted(said: str) -> int:
    """Return how many begins were answered with 202, as hey or oha tells it."""
    counts = re.findall(r"\[202\]\s+(\d+) responses", said)
    return sum(map(int, counts))


def hey(api: Api, requests: int, clients: int) -> int:
    """Show what hey says of begins, each a new job, and of waits; return the jobs accepted."""
    shared = ["hey", "-n", str(requests), "-c", str(clients)]
    begin = [*shared, "-m", "POST", "-T", "application/json", "-d", '{"foo":"load"}']
    said = show(run([*begin, f"{api.url}/begin"]))
    api.begin("load-wait")
    show(run([*shared, f"{api.url}/wait?id=load-wait"]))
    return accepted(said)


def oha(api: Api, requests: int, clients: int) -> int:
    """Show what oha says of begins with an id each; return the jobs accepted."""
    url = f"{api.url}/begin\\?id=load-{uuid.uuid4().hex[:6]}-[a-z0-9]{{12}}"
    command = ["oha", "--no-tui", "-n", str(requests), "-c", str(clients), "-m", "POST"]
    return accepted(show(run([*command, "--rand-regex-url", url])))


def show(said: str) -> str:
    """Print what matters of a report: rates, latencies and statuses."""
    for line in said.splitlines():
        if WORTH_SHOWING.match(line):
            print(line)
    return said


def load(api: Api, stack: Stack, requests: int, clients: int) -> int:
    """Return 0 if every accepted job ended, 1 if not. Raises `LoadError` and `StackError`."""
    tools = [tool for tool in (hey, oha) if shutil.which(tool.__name__)]
    if not tools:
        raise LoadError("hey is needed: apt install hey, or brew install hey")
    before = set(stack.pending())
    begun = sum(tool(api, requests, clients) for tool in tools)
    asked = time.monotonic()
    ended = wait_for(lambda: not set(stack.pending()) - before, END_SECONDS)
    if ended is None:
        print(f"\n{len(stack.pending())} or more jobs are still pending after {END_SECONDS:g} s")
        return 1
    seconds = time.monotonic() - asked
    print(f"\n{begun} jobs accepted; {seconds:.1f} s after the load none was left pending")
    return 0 if begun else 1


def main(arguments: list[str]) -> int:
    """Return 0 if every accepted job ended, 1 if not, 2 if there was no load to be had."""
    try:
        requests, clients = map(int, arguments or (REQUESTS, CLIENTS))
    except ValueError:
        print("usage: python -m tools.load [REQUESTS CLIENTS]", file=sys.stderr)
        return 2
    api = of_environment()
    try:
        return load(api, find(), requests, clients)
    except (LoadError, StackError, NotAnsweredError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
