"""Says which connections were refused, without as many lines as somebody can make connections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from shared.log import get_logger

QUIET_SECONDS: Final = 10.0
"""Seconds between two lines with the same reason."""

DETAIL_CHARACTERS: Final = 200
"""What is logged of a message that is none: it is written by whoever has connected."""


@dataclass(slots=True)
class _Refused:
    """What was refused for one reason since it was logged last."""

    count: int = 0
    quiet_until: float = 0.0


class Refusals:
    """Logs the first refusal of each reason at once, and those that follow with a later one."""

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}
        self._log = get_logger()

    def note(self, reason: str, peer: str, detail: str) -> None:
        """Note a refusal. There are few reasons; `detail` is different each time."""
        refused = self._refused.setdefault(reason, _Refused())
        refused.count += 1
        now = time.monotonic()
        if now < refused.quiet_until:
            return
        self._log.warning(
            "presence connections refused",
            reason=reason,
            count=refused.count,
            peer=peer,
            detail=detail[:DETAIL_CHARACTERS],
        )
        self._refused[reason] = _Refused(quiet_until=now + QUIET_SECONDS)
