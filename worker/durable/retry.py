"""When a failed step is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

DOUBLINGS: Final = 60
"""More of them make no pause longer, and at last overflow a float."""


@dataclass(frozen=True)
class Retry:
    """At most `tries` tries; pauses grow from `first` to `longest` seconds, each halved at random.

    A step that raises `Permanent`, or a class in `never`, is not tried again. The SDK's own default
    would try a failing step for ever.
    """

    tries: int = 5
    first: float = 0.2
    longest: float = 5.0
    never: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if self.tries < 1 or not 0 <= self.first <= self.longest:
            raise ValueError("a retry policy needs tries >= 1 and 0 <= first <= longest")

    def pause(self, failed_tries: int) -> float | None:
        """Return the seconds to wait after so many failed tries, None to give up."""
        if failed_tries >= self.tries:
            return None
        longest: float = min(self.first * 2.0 ** min(failed_tries - 1, DOUBLINGS), self.longest)
        return longest * (0.5 + random.random() / 2)  # noqa: S311 - jitter
