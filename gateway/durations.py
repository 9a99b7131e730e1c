"""Durations as clients write them: `30s`, `15m`, `2h`, `7d`, or ISO 8601 such as `PT15M`."""

from __future__ import annotations

import re
from typing import Final

from shared.errors import InvalidRequest

SHORT: Final = re.compile(r"(\d{1,9})([smhd])")
ISO: Final = re.compile(
    r"P(?:(?P<d>\d{1,6})D)?(?:T(?=\d)(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9})S)?)?"
)
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(name: str, text: str, *, least: int, most: int) -> int:
    """Return the seconds of a parameter's duration. Raises `InvalidRequest` naming it."""
    seconds = _parsed(text)
    if seconds is None:
        raise InvalidRequest(f"{name} must be like 30s, 15m, 2h, 7d or PT15M")
    if not least <= seconds <= most:
        raise InvalidRequest(f"{name} must be {least} to {most} seconds, got {seconds}")
    return seconds


def _parsed(text: str) -> int | None:
    if not text.isascii():
        return None
    if match := SHORT.fullmatch(text):
        return int(match[1]) * SECONDS[match[2]]
    match = ISO.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return sum(int(value) * SECONDS[unit] for unit, value in match.groupdict("0").items())
