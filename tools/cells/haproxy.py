"""The configuration of the HAProxy before all cells, made from the slot map."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tools.cells.slot_map import MapError, owners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cells.hash_slots import SlotMap

HEAD: Final = Path(__file__).with_name("haproxy-head.cfg")
"""What does not depend on the map."""

READS_ONLY: Final = "    http-request disable-l7-retry unless METH_GET"

CELL: Final = """
backend cell-{cell}
{reads_only}
    http-error status 503 content-type {kind} string '{problem}' hdr Retry-After 1"""

KIND: Final = "application/problem+json"

PROBLEM: Final = (
    '{{"type":"/problems/backend-unavailable","title":"The service cannot answer right now",'
    '"status":503,"detail":"No gateway of cell {cell} can be reached."}}'
)

ANY: Final = f"""
# Requests without an id, by which new ids are spread over the cells that own a hash slot. One that
# owns none is disabled until a move gives it one. A gateway whose server does not answer would be
# the soonest to answer, so it gets such requests only if all are so.
backend any-with-server
{READS_ONLY}
    # With a rule of its own a backend does not inherit the request of the check.
    option httpchk GET /readyz
    http-check expect string '"status":"ok"'
    default-server inter 500ms fall 1"""

SERVER: Final = re.compile(
    r"(?P<named>\s+server\s+(?P<cell>\S+)-\d+\s+\S+)(?:\s+disabled\b)?(?P<rest>.*)", re.DOTALL
)
SPREAD: Final = ("backend any-with-server", "backend any")
"""Sections with the servers of requests without an id."""

ANY_AT_ALL: Final = f"""
backend any
{READS_ONLY}"""


def configuration(slots: SlotMap) -> str:
    """Return the configuration's text. Raises `MapError`."""
    owning = set(owners(slots))
    spread = [
        line if cell in owning else f"{line} disabled"
        for cell in slots.cells
        for line in _servers(slots, cell)
    ]
    parts = [HEAD.read_text().rstrip()]
    for cell in slots.cells:
        words = {"reads_only": READS_ONLY, "kind": KIND, "problem": PROBLEM.format(cell=cell)}
        parts += [CELL.format(cell=cell, **words), *_servers(slots, cell)]
    parts += [ANY, *spread, ANY_AT_ALL, *spread]
    return "\n".join(parts) + "\n"


def with_owners(text: str, slots: SlotMap) -> str:
    """Return a configuration in which cells get requests without an id as by this map.

    All else stays as it is: its users may have changed other lines.
    """
    owning = set(owners(slots))
    lines, section = [], ""
    for line in text.splitlines(keepends=True):
        if line[:1].isalpha():
            section = " ".join(line.split()[:2])
        server = SERVER.fullmatch(line) if section in SPREAD else None
        if server is None:
            lines.append(line)
            continue
        named, cell, rest = server.group("named", "cell", "rest")
        lines.append(named + ("" if cell in owning else " disabled") + rest)
    return "".join(lines)


def slots_file(slots: SlotMap) -> str:
    """Return the text of the file with the cell of each hash slot."""
    return "".join(f"{number} {cell}\n" for number, cell in enumerate(owners(slots)))


def commands(slots: SlotMap, map_number: str) -> list[str]:
    """Return what to say at the admin socket, so that HAProxy is as if newly started."""
    owning = set(owners(slots))
    return [
        *(f"set map #{map_number} {line}" for line in slots_file(slots).splitlines()),
        *(
            f"set server {backend}/{_name(cell, number)} state"
            f" {'ready' if cell in owning else 'maint'}"
            for backend in ("any-with-server", "any")
            for cell, urls in slots.cells.items()
            for number in range(1, len(urls) + 1)
        ),
    ]


def _servers(slots: SlotMap, cell: str) -> Iterator[str]:
    for number, gateway in enumerate(slots.cells[cell], 1):
        url = urlsplit(gateway)
        if url.scheme != "http":
            raise MapError(f"{gateway}: HAProxy is made to speak HTTP with gateways")
        address = url.netloc if url.port else f"{url.netloc}:80"
        yield f"    server {_name(cell, number)} {address}"


def _name(cell: str, number: int) -> str:
    return f"{cell}-{number}"
