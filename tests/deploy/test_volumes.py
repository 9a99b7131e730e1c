"""The volumes of the containers: the secret that gateway and workers share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from deploy.volumes import make_secret
from gateway.environment import gateway_settings
from worker.settings import worker_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_gateway_and_workers_read_the_same_secret(tmp_path: Path) -> None:
    """The file is a setting of both; PRESENCE_SECRET comes before it."""
    path = tmp_path / "secret"
    make_secret(path, os.getuid())

    def secrets(environment: Mapping[str, str]) -> set[str]:
        return {
            gateway_settings(environment).presence.secret,
            worker_settings(environment).presence_secret,
        }

    file = {"PRESENCE_SECRET_FILE": str(path)}
    assert secrets(file) == {path.read_text()}
    assert secrets({**file, "PRESENCE_SECRET": "a-secret-of-my-own"}) == {"a-secret-of-my-own"}


def test_a_secret_is_random_and_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read it, and no two of them are equal."""
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        make_secret(path, os.getuid())

    assert one.stat().st_mode & 0o777 == 0o400
    assert one.read_text() != two.read_text()


def test_a_secret_stays(tmp_path: Path) -> None:
    """A second start changes nothing: what runs has read the secret."""
    path = tmp_path / "secret"
    make_secret(path, os.getuid())
    before = path.read_text()

    make_secret(path, os.getuid())

    assert path.read_text() == before


def test_a_start_that_was_broken_off_leaves_no_half_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there with all of its content or not at all; the next start makes it."""
    path = tmp_path / "secret"

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            make_secret(path, os.getuid())
    assert not path.exists()

    make_secret(path, os.getuid())

    assert len(path.read_text()) >= 32
