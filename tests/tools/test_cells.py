"""`python -m tools.cells`: what a move does to the map, and what it says when it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.cells.hash_slots import Slot, SlotMap
from tools.cells import slot_map
from tools.cells.__main__ import main, numbers_of
from tools.cells.moves import move
from tools.cells.plan import cells_of, current_map, paths_of
from tools.cells.slot_map import MapError, OtherMapError, encoded, with_slots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CELLS: Final = {cell: (f"http://{cell}:5001",) for cell in "abc"}
NOBODY: Final = dict.fromkeys("abc", ("http://127.0.0.1:1",))
"""Gateways that cannot be asked, which shows soon."""

FIRST: Final = SlotMap(4, CELLS, tuple(Slot("a" if n < 32 else "b") for n in range(64)))


@dataclass
class PlayedFollowers:
    """Followers that record what they are told; `away` are generations that a gateway misses.

    `unpublished` are runs of the command, from 1, that fail. Of the generation `foreign` a gateway
    has another map.
    """

    away: Sequence[int] = ()
    unpublished: Sequence[int] = ()
    foreign: int = 0
    heard: list[SlotMap] = field(default_factory=list)
    balanced: list[SlotMap] = field(default_factory=list)
    published: int = 0

    def publish(self) -> None:
        self.published += 1
        if self.published in self.unpublished:
            raise MapError("'copy' ended with 1")

    def await_gateways(self, slots: SlotMap) -> None:
        if slots.generation in self.away:
            raise MapError("gateway http://b:5001 of cell b cannot be asked")
        if slots.generation == self.foreign:
            raise OtherMapError("gateway http://b:5001 of cell b has another map")
        self.heard.append(slots)

    def balance(self, slots: SlotMap) -> None:
        self.balanced.append(slots)


class BroughtMaps(PlayedFollowers):
    """Gateways that know a map only once it is brought to them."""

    def __init__(self, file: Path, unpublished: Sequence[int]) -> None:
        super().__init__(unpublished=unpublished)
        self.file = file
        self.brought = FIRST

    def publish(self) -> None:
        super().publish()
        self.brought = slot_map.read(self.file)

    def await_gateways(self, slots: SlotMap) -> None:
        if slots != self.brought:
            raise MapError(f"gateway http://b:5001 has generation {self.brought.generation}")
        super().await_gateways(slots)


class MeddledMaps(PlayedFollowers):
    """Followers during whose wait for generation 5 somebody writes another map."""

    def __init__(self, file: Path, other: SlotMap, away: Sequence[int]) -> None:
        super().__init__(away=away)
        self.file, self.other = file, other

    def await_gateways(self, slots: SlotMap) -> None:
        if slots.generation == 5:
            slot_map.write(self.file, encoded(self.other))
        super().await_gateways(slots)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.json"
    slot_map.write(path, encoded(FIRST))
    return path


def test_a_move_closes_the_slot_everywhere_before_it_opens_elsewhere(file: Path) -> None:
    """Gateways hear of the closed hash slot in one generation, of its new cell in the next."""
    followers = PlayedFollowers()

    now = move(file, [7], "b", followers)

    assert [(each.generation, each.slots[7]) for each in followers.heard] == [
        (4, Slot("a")),
        (5, Slot("a", closed=True)),
        (6, Slot("b", ("a",))),
    ]
    assert followers.balanced == [now] == [slot_map.read(file)]
    assert followers.published == 3
    assert [n for n in range(64) if now.slots[n] != FIRST.slots[n]] == [7]


def test_a_move_back_keeps_each_former_cell_once(file: Path) -> None:
    """The newest former cell is the first one, and the owner is none of them."""
    for to in "bca":
        move(file, [7], to, PlayedFollowers())

    assert slot_map.read(file).slots[7] == Slot("a", ("c", "b"))


def test_several_slots_are_moved_together(file: Path) -> None:
    """Hash slots of several owners take two generations; those that are there already none."""
    now = move(file, [31, 32, 33], "b", PlayedFollowers())

    assert (now.generation, now.slots[30:34]) == (
        6,
        (Slot("a"), Slot("b", ("a",)), Slot("b"), Slot("b")),
    )
    assert move(file, [31, 32, 33], "b", PlayedFollowers()).generation == 6


def test_nothing_is_closed_for_a_gateway_that_is_away(file: Path) -> None:
    """It is asked before anything changes."""
    with pytest.raises(MapError, match="of cell b cannot be asked"):
        move(file, [7], "b", PlayedFollowers(away=[4]))

    assert slot_map.read(file) == FIRST


def test_a_gateway_that_goes_away_has_the_slot_opened_again(file: Path) -> None:
    """The former content is a new generation, and the message says so."""
    followers = PlayedFollowers(away=[5])

    with pytest.raises(MapError, match="Nothing was moved; generation 6"):
        move(file, [7], "b", followers)

    now = slot_map.read(file)
    assert (now.generation, now.slots) == (6, FIRST.slots)
    assert followers.balanced == []


def test_a_move_that_was_broken_off_goes_on(file: Path) -> None:
    """A hash slot that is found closed, or moved already, is not closed again."""
    closed = with_slots(FIRST, {7: Slot("a", closed=True)})
    slot_map.write(file, encoded(closed))
    with pytest.raises(MapError, match="run the same command again"):
        move(file, [7], "b", PlayedFollowers(away=[6]))
    assert slot_map.read(file).slots[7] == Slot("b", ("a",))
    followers = PlayedFollowers()

    now = move(file, [7], "b", followers)

    assert now.generation == 6
    assert followers.heard == followers.balanced == [now]


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        ([1], "'copy' ended with 1"),
        ([2], "Nothing was moved; generation 6"),
        ([2, 3], "but 'copy' ended with 1: the next run"),
        ([3], "Generation 6 is in place; .* run the same command again"),
    ],
)
def test_a_move_goes_on_after_a_map_that_was_not_brought(
    file: Path, failed: list[int], words: str
) -> None:
    """The next run brings what the former one has left, before it waits for any gateway."""
    followers = BroughtMaps(file, unpublished=failed)
    with pytest.raises(MapError, match=words):
        move(file, [7], "b", followers)

    now = move(file, [7], "b", followers)

    assert now.slots[7] == Slot("b", ("a",))
    assert followers.balanced == [now] == [followers.brought]


def test_a_map_that_somebody_else_changes_is_left_as_it_is(file: Path) -> None:
    """The move ends, whether it would have gone on or opened the hash slot again."""
    for away in ([], [5]):
        slot_map.write(file, encoded(FIRST))
        other = with_slots(with_slots(FIRST, {}), {9: Slot("b", ("a",))})
        followers = MeddledMaps(file, other, away=away)

        with pytest.raises(MapError, match="not as it was read or written here, in generation 5"):
            move(file, [7], "b", followers)

        assert slot_map.read(file) == other
        assert followers.balanced == []


def test_hash_slots_stay_closed_for_a_gateway_with_another_map(file: Path) -> None:
    """By that map they may be of another cell already, so nobody is given them."""
    followers = PlayedFollowers(foreign=5)

    with pytest.raises(MapError, match=r"another map\. Nothing was moved, and .* stay closed"):
        move(file, [7], "b", followers)

    assert slot_map.read(file).slots[7] == Slot("a", closed=True)
    assert slot_map.read(file).generation == 5


def test_a_closed_slot_can_be_opened_where_it_is(file: Path) -> None:
    """A move to its own cell does that."""
    slot_map.write(file, encoded(with_slots(FIRST, {7: Slot("a", ("b",), closed=True)})))

    assert move(file, [7], "a", PlayedFollowers()).slots[7] == Slot("a", ("b",))


def test_two_moves_do_not_meet(file: Path) -> None:
    """The second one is refused while the first one goes on."""
    with slot_map.locked(file), pytest.raises(MapError, match="another program"):
        move(file, [7], "b", PlayedFollowers())


@pytest.mark.parametrize(
    ("text", "numbers"), [("7", [7]), ("8-10", [8, 9, 10]), ("63,1", [63, 1]), ("0-1,5", [0, 1, 5])]
)
def test_slots_of_the_command_line(text: str, numbers: list[int]) -> None:
    """One, a range, or some of both."""
    assert numbers_of(text) == numbers


@pytest.mark.parametrize("text", ["", "64", "a", "3-", "-3", "5-3", "1,,2"])
def test_other_slots_are_refused(text: str) -> None:
    """In words, not with a traceback."""
    with pytest.raises(MapError, match=r"hash slots are|--slot must"):
        numbers_of(text)


def test_faults_are_a_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1."""
    assert main(["move", "--map", str(file), "--slot", "7", "--to", "z"], {}) == 1
    assert main(["show", "--map", str(file.with_name("no.json"))], {}) == 1

    assert capsys.readouterr().err.splitlines() == [
        "cells: there is no cell z but a, b, c",
        f"cells: {file.with_name('no.json')}: No such file or directory",
    ]


def test_closed_slots_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A move that was broken off is seen."""
    closed = {number: Slot("a", closed=True) for number in (3, 4, 7)}
    slot_map.write(file, encoded(with_slots(replace(FIRST, cells=NOBODY), closed)))

    assert main(["show", "--map", str(file)], {}) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "cell a: hash slots 0-31, of which a move has closed 3-4, 7" in lines
    assert "cell b: hash slots 32-63" in lines


def test_a_map_is_written_as_people_write_it(file: Path) -> None:
    """What was written is read again, and hash slots that are alike share a line."""
    changed = with_slots(FIRST, {40: Slot("b", ("c", "a"), closed=True)})
    slot_map.write(file, encoded(changed))

    assert slot_map.read(file) == changed
    assert [line.strip(" ,") for line in file.read_text().splitlines() if '"slots": "' in line] == [
        '{"slots": "0-31", "cell": "a"}',
        '{"slots": "32-39", "cell": "b"}',
        '{"slots": "40", "cell": "b", "former": ["c", "a"], "closed": true}',
        '{"slots": "41-63", "cell": "b"}',
    ]


def test_cells_that_run_here_keep_their_map(tmp_path: Path) -> None:
    """A cell more owns nothing at first; fewer are refused while the map has them."""
    environment = {"DATA_DIR": str(tmp_path)}
    paths = paths_of(environment)
    paths.data.mkdir()
    two, three = (cells_of(count, paths, environment) for count in (2, 3))

    first = current_map(paths, two)
    assert [slot_map.owners(first).count(cell) for cell in "ab"] == [32, 32]
    assert current_map(paths, two) == first
    more = current_map(paths, three)

    assert (more.generation, more.slots) == (2, first.slots)
    assert [*more.cells] == ["a", "b", "c"]
    with pytest.raises(MapError, match="start 3, or delete"):
        current_map(paths, two)
