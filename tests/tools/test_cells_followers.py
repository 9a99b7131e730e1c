"""What a move asks gateways, and how it tells HAProxy."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.cells.hash_slots import Slot, SlotMap
from tests.support.cell.played_gateways import PlayedGateway, played_gateways
from tools.cells import slot_map
from tools.cells.__main__ import main
from tools.cells.followers import Followers
from tools.cells.slot_map import MapError, OtherMapError, encoded, with_slots

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI_BYTES: Final = 16 * 1024
"""Bytes of HAProxy's buffer, which a line at its admin socket must not fill."""


@pytest.fixture(name="gateways")
def _gateways() -> Iterator[dict[str, PlayedGateway]]:
    with played_gateways("a", "b") as gateways:
        yield gateways


@pytest.fixture(name="first")
def _first(gateways: dict[str, PlayedGateway]) -> SlotMap:
    """Return a map that both gateways have."""
    urls = {cell: (gateway.url,) for cell, gateway in gateways.items()}
    first = SlotMap(4, urls, tuple(Slot("a" if number < 32 else "b") for number in range(64)))
    for gateway in gateways.values():
        gateway.maps = [first]
    return first


def test_another_map_of_the_same_generation_is_none_of_ours(
    gateways: dict[str, PlayedGateway], first: SlotMap
) -> None:
    """Such as one that somebody else made of a copy. The wait ends at once."""
    ours, other = (with_slots(first, {number: Slot("a", closed=True)}) for number in (7, 9))
    gateways["a"].maps, gateways["b"].maps = [ours], [other]

    with pytest.raises(OtherMapError, match="of cell b has generation 5 of another map; this"):
        Followers().await_gateways(ours)


def test_show_has_the_map_of_each_gateway(
    gateways: dict[str, PlayedGateway],
    first: SlotMap,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another one of the same generation is said to be so."""
    ours, other = (with_slots(first, {number: Slot("a", closed=True)}) for number in (7, 9))
    gateways["a"].maps, gateways["b"].maps = [ours], [other]
    slot_map.write(tmp_path / "cells.json", encoded(ours))

    assert main(["show", "--map", str(tmp_path / "cells.json")], {}) == 0

    lines = capsys.readouterr().out.splitlines()
    assert f"  {gateways['a'].url}  generation 5" in lines
    assert f"  {gateways['b'].url}  generation 5, of another map" in lines


def test_a_later_map_than_the_file_has_is_none_of_ours(
    gateways: dict[str, PlayedGateway], first: SlotMap
) -> None:
    """A gateway does not go back, so that nothing is to be waited for."""
    gateways["b"].maps = [with_slots(first, {})]

    with pytest.raises(OtherMapError, match="of cell b has generation 5"):
        Followers().await_gateways(first)


def test_all_gateways_are_asked_together_at_last(
    gateways: dict[str, PlayedGateway], first: SlotMap
) -> None:
    """One that had followed, and was started again with an older map, has to follow again."""
    now = with_slots(first, {7: Slot("a", closed=True)})
    gateways["a"].maps, gateways["b"].maps = [now, first, now], [first, first, now]

    Followers().await_gateways(now)

    assert gateways["a"].maps == gateways["b"].maps == [now]


def test_gateways_that_are_frozen_do_not_add_up(
    gateways: dict[str, PlayedGateway], first: SlotMap
) -> None:
    """All are named when the time is over, though none of them ever answers."""
    with contextlib.ExitStack() as stack:
        frozen = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        urls = tuple(f"http://127.0.0.1:{each.getsockname()[1]}" for each in frozen)
        slots = SlotMap(4, {**first.cells, "b": urls}, first.slots)
        gateways["a"].maps = [slots]
        began = time.monotonic()

        with pytest.raises(MapError, match=r"0\.2 s after generation 4") as caught:
            Followers(seconds=0.2).await_gateways(slots)

    assert all(f"gateway {url} of cell b cannot be asked" in str(caught.value) for url in urls)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["10.0.0.1", "10.0.0.2"], "has several addresses"),
        (["fd00::1", "fd00::2"], "has several addresses"),
        (["127.0.0.1", "::1"], "has generation 4"),
    ],
)
def test_a_name_of_several_gateways_is_refused(
    gateways: dict[str, PlayedGateway],
    first: SlotMap,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    words: str,
) -> None:
    """Whichever kind their addresses are of; one gateway may have one of each kind."""
    real = socket.getaddrinfo

    def found(host: str, port: int, family: int = 0, *arguments: int, **named: int) -> list[Any]:
        if host != "gateways.internal":
            return real(host, port, family, *arguments, **named)
        kinds = {at: socket.AF_INET6 if ":" in at else socket.AF_INET for at in addresses}
        asked = [at for at in addresses if family in (0, kinds[at])]
        if not asked:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(kinds[at], socket.SOCK_STREAM, 6, "", (at, port)) for at in asked]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    port = int(gateways["a"].url.rpartition(":")[2])
    named = SlotMap(3, {"a": (f"http://gateways.internal:{port}",)}, first.slots)

    said = Followers(seconds=0.5).said_of(named)

    assert words in " ".join(map(str, said.values()))


def test_a_page_of_something_before_a_gateway_is_no_answer_of_it(first: SlotMap) -> None:
    """It ends the move in words, as any gateway that cannot be asked."""
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(page)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        said = Followers().said_of(SlotMap(4, {"a": (url,)}, first.slots))
        thread.join()

    assert [*said.values()] == ["answers 502"]


class PlayedAdmin:
    """An admin socket of HAProxy, with one map; it refuses lines that fill its buffer."""

    def __init__(self, path: Path) -> None:
        self.cells: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rwb") as stream:
                    line = stream.readline()
                    stream.write(self._answer(line.decode().strip()).encode())

    def _answer(self, line: str) -> str:
        if len(line) >= CLI_BYTES:
            return "\n"
        if line == "show map":
            return "# id (file) description\n3 (slots.map) pattern loaded from a file\n"
        if line == "show map #3":
            return "".join(f"0x1 {number} {cell}\n" for number, cell in self.cells.items())
        for command in line.split("; "):
            match command.split():
                case ["set", "map", "#3", number, cell]:
                    self.cells[number] = cell
                case ["set", "server", server, "state", state]:
                    self.states[server] = state
                case _:
                    return "Unknown command\n"
        return "\n"

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(name="admin_socket")
def _admin_socket() -> Iterator[Path]:
    # The path of a socket may have 107 bytes at most.
    directory = Path(tempfile.mkdtemp(prefix="cells-"))
    yield directory / "admin"
    shutil.rmtree(directory)


def test_haproxy_is_told_of_many_gateways(admin_socket: Path) -> None:
    """What it is told does not fit into one line."""
    names = [f"a-cell-with-a-longer-name-{number:02}" for number in range(64)]
    slots = SlotMap(
        1,
        {
            name: tuple(f"http://10.0.{at}.{n}:5001" for n in range(4))
            for at, name in enumerate(names)
        },
        tuple(Slot(names[number // 2]) for number in range(64)),
    )
    admin = PlayedAdmin(admin_socket)

    Followers(sockets=[str(admin_socket)]).balance(slots)
    admin.end()

    assert admin.cells == {str(n): slot.cell for n, slot in enumerate(slots.slots)}
    assert len(admin.states) == 2 * 4 * 64
    assert admin.states[f"any/{names[31]}-4"] == "ready"
    assert admin.states[f"any/{names[32]}-1"] == "maint"
