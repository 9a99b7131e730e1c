"""Message streams of the server: addresses, and times for keeping a stream open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from shared.settings import ServerSettings

RENEW_SECONDS: Final = 0.6
"""Seconds after which a reader opens its next stream: half the age at which the server ends one
(`disconnectAfter` in deploy/server/resonate.yaml)."""

SILENT_SECONDS: Final = 5.0
"""Seconds that connecting may take, and that an old stream may go on after the next one opened."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to open a stream: the first pause, doubled up to the longest."""


def unicast(group: str, pid: str) -> str:
    """Return the address of one process."""
    return f"poll://uni@{group}/{pid}"


def anycast(group: str) -> str:
    """Return the address of any one process of a group."""
    return f"poll://any@{group}"


def stream_path(group: str, pid: str) -> str:
    """Return the path of a process's stream at the server's message port."""
    return f"/{quote(group, safe='')}/{quote(pid, safe='')}"


def stream_url(server: ServerSettings, group: str, pid: str) -> str:
    """Return the URL of a process's stream."""
    return f"{server.host}:{server.message_port}{stream_path(group, pid)}"
