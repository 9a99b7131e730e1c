"""The files that `python -m tools.cells move` replaces: what stays of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from gateway.cells.hash_slots import Slot, SlotMap
from tools.cells import slot_map
from tools.cells.followers import Followers
from tools.cells.haproxy import configuration
from tools.cells.slot_map import MapError

if TYPE_CHECKING:
    from pathlib import Path


def changed_by_hand(text: str) -> str:
    """Return a configuration with lines of its users."""
    bind = text.replace('-:5001}"', '-:5001}" ssl crt /tls.pem')
    assert bind != text
    return f"{bind}\nbackend others\n    server b-1 other:80 disabled\n"


def test_a_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    """Programs that read it by another name, or as another user, still read it."""
    target, link = tmp_path / "real" / "map-1.json", tmp_path / "cells.json"
    target.parent.mkdir()
    target.write_text("former")
    target.chmod(0o660)
    link.symlink_to("real/map-1.json")

    slot_map.write(link, b"later")

    assert link.is_symlink()
    assert target.read_text() == "later"
    assert stat.S_IMODE(target.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    """Such as that of the gateways, while root moves a hash slot."""
    file = tmp_path / "cells.json"
    file.write_text("former")
    os.chown(file, 12, 34)
    file.chmod(0o600)

    slot_map.write(file, b"later")

    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12, 34, 0o600)


def test_a_file_that_cannot_be_written_is_a_fault_in_words(tmp_path: Path) -> None:
    """Its former content stays."""
    file = tmp_path / "cells.json"
    file.write_text("former")
    file.with_name("cells.json.part").mkdir()

    with pytest.raises(MapError, match="cannot be written: Is a directory"):
        slot_map.write(file, b"later")

    assert file.read_text() == "former"


def test_a_new_name_outlives_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before it gets its name, and then the name is too."""
    kept: list[tuple[str, bool]] = []
    file = tmp_path / "cells.json"

    def keep(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        kept.append(("folder" if is_folder else "file", file.exists()))

    monkeypatch.setattr(os, "fsync", keep)
    slot_map.write(file, b"first")

    assert kept == [("file", False), ("folder", True)]


def test_haproxy_starts_again_as_the_map_is_now(tmp_path: Path) -> None:
    """A cell is disabled for requests without an id while it owns none; other lines stay."""
    urls = {cell: (f"http://{cell}:5001", f"http://{cell}:5002") for cell in ("a", "a-1", "b")}
    before = SlotMap(1, urls, tuple(Slot("a") for _ in range(64)))
    after = SlotMap(2, urls, tuple(Slot("a-1", ("a",)) for _ in range(64)))
    file = tmp_path / "haproxy.cfg"
    file.write_text(changed_by_hand(configuration(before)))

    Followers(configuration=file).balance(after)
    assert file.read_text() == changed_by_hand(configuration(after))

    Followers(configuration=file).balance(before)
    assert file.read_text() == changed_by_hand(configuration(before))


def test_a_file_of_haproxy_that_is_not_there_is_a_fault_in_words(tmp_path: Path) -> None:
    """It is not made, since what else its users want in it is not known."""
    slots = SlotMap(1, {"a": ("http://a:5001",)}, tuple(Slot("a") for _ in range(64)))

    with pytest.raises(MapError, match="cannot be read"):
        Followers(configuration=tmp_path / "haproxy.cfg").balance(slots)


def test_one_file_has_one_lock(tmp_path: Path) -> None:
    """Whichever name each program has for it."""
    file, link = tmp_path / "cells.json", tmp_path / "link.json"
    file.touch()
    link.symlink_to(file)

    with (
        slot_map.locked(file),
        pytest.raises(MapError, match="another program"),
        slot_map.locked(link),
    ):
        pass
