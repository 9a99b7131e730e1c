"""Cells and their hash slots: `python -m tools.cells show|haproxy|move|run`, see docs/cells.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cells.hash_slots import SLOTS
from tools.cells import local, slot_map
from tools.cells.followers import Followers, Gateway, InForce
from tools.cells.haproxy import configuration, slots_file
from tools.cells.moves import move
from tools.cells.plan import paths_of
from tools.cells.slot_map import MapError, closed_spans, spans
from tools.run.checks import NotStartedError
from tools.server import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.cells.hash_slots import SlotMap

BESIDE: Final = ("admin.sock", "slots.map", "haproxy.cfg")
"""Names of HAProxy's admin socket and of its files, where they lie beside the map."""


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Return the exit code; each fault is a line on standard error."""
    given = _parser(environment).parse_args(arguments)
    try:
        match given.command:
            case "haproxy":
                slots = slot_map.read(given.map)
                print(slots_file(slots) if given.slots else configuration(slots), end="")
            case "show":
                print(shown(slot_map.read(given.map), _followers(given, environment)))
            case "move":
                now = move(
                    given.map, numbers_of(given.slot), given.to, _followers(given, environment)
                )
                print(f"hash slots {given.slot}: cell {given.to}, generation {now.generation}")
            case _:
                return local.run(given.cells, environment)
    except MapError as error:
        report(f"cells: {error}")
        return 1
    except NotStartedError as error:
        for fault in error.faults:
            report(f"cells: {fault}")
        return 1
    return 0


def numbers_of(text: str) -> list[int]:
    """Return the hash slots of a text such as `7`, `8-15` or `7,9`. Raises `MapError`."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise MapError(f"--slot must be like 7, 8-15 or 7,9, got {text!r}")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or max(numbers) >= SLOTS:
        raise MapError(f"hash slots are 0 to {SLOTS - 1}, got {text!r}")
    return numbers


def shown(slots: SlotMap, followers: Followers) -> str:
    """Return what the map says, and what each gateway says of it."""
    lines = [f"generation {slots.generation}"]
    said = followers.said_of(slots)
    for cell, urls in slots.cells.items():
        closed = closed_spans(slots, cell)
        lines.append(
            f"cell {cell}: hash slots {spans(slots, cell) or 'none'}"
            + (f", of which a move has closed {closed}" if closed else "")
        )
        lines += [f"  {url}  {_words(said[Gateway(cell, url)], slots)}" for url in urls]
    return "\n".join(lines)


def _words(said: InForce | str, slots: SlotMap) -> str:
    if isinstance(said, str) or not said.generation:
        return str(said)
    other = said.generation == slots.generation and not said.is_of(slots)
    return f"generation {said.generation}" + (", of another map" if other else "")


def _followers(given: argparse.Namespace, environment: Mapping[str, str]) -> Followers:
    socket, slots, configured = (given.map.with_name(name) for name in BESIDE)
    return Followers(
        token=environment.get("GATEWAY_TOKENS", "").split(",")[0].strip(),
        sockets=given.haproxy or ([str(socket)] if socket.exists() else []),
        slots=given.slots_file or (slots if slots.exists() else None),
        configuration=given.haproxy_file or (configured if configured.exists() else None),
        publish_command=given.publish,
        seconds=given.seconds,
        ask_command=given.ask,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cells", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    map_file = argparse.ArgumentParser(add_help=False)
    named = environment.get("GATEWAY_CELLS")
    map_file.add_argument(
        "--map",
        type=Path,
        default=Path(named) if named else paths_of(environment).map,
        help="the file; by default GATEWAY_CELLS, or that of make cells",
    )
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--seconds", type=float, default=30.0, help="that gateways have to follow")
    asked.add_argument("--haproxy", action="append", help="its admin socket; may be repeated")
    asked.add_argument("--slots-file", type=Path, help="the file of hash slots that HAProxy reads")
    asked.add_argument("--haproxy-file", type=Path, help="HAProxy's configuration")
    asked.add_argument("--publish", default="", help="command that brings the map to the gateways")
    asked.add_argument("--ask", default="", help="command that prints a gateway's GET /cells")

    configured = commands.add_parser("haproxy", parents=[map_file], help="print its configuration")
    configured.add_argument("--slots", action="store_true", help="print its file of hash slots")
    commands.add_parser("show", parents=[map_file, asked], help="print the map and who knows it")
    moved = commands.add_parser("move", parents=[map_file, asked], help="move hash slots")
    moved.add_argument("--slot", required=True, help="such as 7, 8-15 or 7,9")
    moved.add_argument("--to", required=True, metavar="CELL")
    started = commands.add_parser("run", help="run cells here, without containers")
    started.add_argument("cells", type=int, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
