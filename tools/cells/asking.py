"""How one gateway is asked for GET /cells: by a request from here, or by a program."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from collections import Counter
from typing import Any, Final
from urllib.parse import urlsplit

from tools.api import Api, NotAnsweredError

NOT_ASKED: Final = "cannot be asked"


def answered(url: str, token: str, seconds: float) -> Any:
    """Return the body of a gateway's answer, or in words why there is none."""
    if _is_shared(url):
        return "has several addresses: name each gateway by itself"
    try:
        answer = Api(url, token, seconds).ask("GET", "/cells")
    except NotAnsweredError:
        return NOT_ASKED
    return answer.body if answer.status == 200 else f"answers {answer.status}"


def printed(command: str, url: str, seconds: float) -> Any:
    """Return the body that a command prints for a gateway, or in words that there is none."""
    # Without a shell, so that at the end of its time the program itself is ended.
    try:
        done = subprocess.run(
            [*shlex.split(command), url], check=True, stdout=subprocess.PIPE, timeout=seconds
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return NOT_ASKED


def _is_shared(url: str) -> bool:
    """Return whether a name stands for several gateways, of which only one would be asked.

    A gateway may have an address of IPv4 and one of IPv6.
    """
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    families = Counter(family for family, _ in {(family, at[0]) for family, *_, at in found})
    return max(families.values(), default=0) > 1
