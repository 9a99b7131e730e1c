"""Faults and assertions that the tests of all settings share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from shared.environment import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

SHARED_FAULTS = (
    ("RESONATE_PORT_STORE", "x", "must be 1 to 65535 (a TCP port), got 'x'"),
    ("RESONATE_PORT_STORE", "1.5", "must be a whole number, got 1.5"),
    ("RESONATE_PORT_STORE", "inf", "must be 1 to 65535 (a TCP port), got 'inf'"),
    ("RESONATE_PORT_STORE", "nan", "must be 1 to 65535 (a TCP port), got 'nan'"),
    ("RESONATE_HOST", "server", "must look like http://host, got 'server'"),
    ("RESONATE_HOST", "http://", "must look like http://host, got 'http://'"),
    ("RESONATE_HOST", "http://a/b", "must look like http://host, got 'http://a/b'"),
    ("LOG_LEVEL", "loud", "must be one of debug, info, warning, error, got 'loud'"),
    ("RESONATE_HOST", "http://[::1", "must look like http://host, got 'http://[::1'"),
    ("RESONATE_HOST", "http://a b", "must look like http://host, got 'http://a b'"),
    ("RESONATE_HOST", "http://a?b=1", "must look like http://host, got 'http://a?b=1'"),
)
"""Variable, wrong value and fault of variables that gateway and worker read alike."""

GROUP_FAULTS = (
    ("WORKER_GROUP", "a b", f"must match {NAME}, got 'a b'"),
    ("WORKER_GROUP", "..", f"must match {NAME}, got '..'"),
    (
        "WORKER_GROUP",
        "gateway",
        "must not be 'gateway': gateways listen there, and run no work",
    ),
    ("WORKER_GROUP", "x" * 65, f"must match {NAME}, got '{'x' * 65}'"),
)
"""The same for the group of workers, which is in the settings of both."""


def faults(
    read: Callable[[Mapping[str, str]], object], environment: Mapping[str, str]
) -> list[str]:
    """Return the faults that reading an environment reports."""
    with pytest.raises(SettingsError) as caught:
        read(environment)
    return caught.value.faults


def assert_range(
    read: Callable[[Mapping[str, str]], object], name: str, allowed: str, refused: str
) -> None:
    """Check the ends of a range, `low..high`, and a value beyond each end."""
    (low, high), (under, over) = allowed.split(".."), refused.split("..")
    limit = re.compile(rf"{name} must be \S+ to \S+ .+, got '{re.escape(under)}'")

    assert read({name: low}) != read({name: high})
    assert limit.fullmatch(faults(read, {name: under})[0])
    assert len(faults(read, {name: over})) == 1
