"""The configuration of the HAProxy before all cells, made from the slot map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.cells.slot_map import SlotMap

HEAD: Final = Path(__file__).with_name("haproxy-head.cfg")
"""What does not depend on the map."""

READS_ONLY: Final = "    http-request disable-l7-retry unless METH_GET"

CELL: Final = """
backend cell-{cell}
{reads_only}
    http-error status 503 content-type application/problem+json string '{problem}' hdr Retry-After 1
"""

PROBLEM: Final = (
    '{{"type":"/problems/backend-unavailable","title":"The service cannot answer right now",'
    '"status":503,"detail":"No gateway of cell {cell} can be reached."}}'
)

ANY: Final = f"""
# Requests without an id, by which new ids are spread over the cells that own a hash slot. A gateway
# whose server does not answer would be the soonest to answer, so it gets them only if all are so.
backend any-with-server
{READS_ONLY}
    # With a rule of its own a backend does not inherit the request of the check.
    option httpchk GET /readyz
    http-check expect string '"status":"ok"'
    default-server inter 500ms fall 1
"""

ANY_AT_ALL: Final = f"""
backend any
{READS_ONLY}
"""


def configuration(slots: SlotMap) -> str:
    """Return the configuration's text."""
    spread = [cell for cell in slots.cells if cell in slots.owners]
    parts = [HEAD.read_text()]
    for cell in slots.cells:
        words = {"reads_only": READS_ONLY, "problem": PROBLEM.format(cell=cell)}
        parts += [CELL.format(cell=cell, **words), *_servers(slots, [cell])]
    parts += [ANY, *_servers(slots, spread), ANY_AT_ALL, *_servers(slots, spread)]
    return "".join(parts)


def slots_file(slots: SlotMap) -> str:
    """Return the text of the file with the cell of each hash slot."""
    return "".join(f"{number} {cell}\n" for number, cell in enumerate(slots.owners))


def _servers(slots: SlotMap, cells: Iterable[str]) -> Iterator[str]:
    for cell in cells:
        for number, gateway in enumerate(slots.cells[cell], 1):
            yield f"    server {cell}-{number} {urlsplit(gateway).netloc}\n"
