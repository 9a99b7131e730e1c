"""When a failed step is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

DOUBLINGS: Final = 60
"""More of them make no pause longer, and at last overflow a float."""


@dataclass(frozen=True)
class RetryPolicy:
    """At most `max_attempts` attempts, with growing pauses between them.

    A pause is `initial_interval` seconds, then twice as long each time up to `max_interval`, of
    which a random part between a half and all is waited.

    A step that raises `NonRetryableError`, or a class in `non_retryable`, is not tried again. The
    SDK's own default would try a failing step for ever.
    """

    max_attempts: int = 5
    initial_interval: float = 0.2
    max_interval: float = 5.0
    non_retryable: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or not 0 <= self.initial_interval <= self.max_interval:
            raise ValueError(
                "a retry policy needs max_attempts >= 1 and 0 <= initial_interval <= max_interval"
            )

    def pause(self, failed_attempts: int) -> float | None:
        """Return the seconds to wait after this many failed attempts, None to give up."""
        if failed_attempts >= self.max_attempts:
            return None
        longest: float = min(
            self.initial_interval * 2.0 ** min(failed_attempts - 1, DOUBLINGS), self.max_interval
        )
        return longest * (0.5 + random.random() / 2)  # noqa: S311 - jitter
