"""When a failed step is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from durable_http.arguments import checked_seconds
from durable_http.errors import NonRetryableError

DOUBLINGS: Final = 60
"""Doublings of a pause at most: many more would overflow a float."""


@dataclass(frozen=True)
class RetryPolicy:
    """At most `max_attempts` attempts, with growing pauses between them.

    The first pause is `initial_interval` seconds, and each further one twice as long, up to
    `max_interval`; of each a random part between half and all is waited. With the defaults the
    pauses are at most 0.2, 0.4, 0.8 and 1.6 s.

    A step that raises `NonRetryableError`, or a class in `non_retryable`, is not retried.
    """

    max_attempts: int = 5
    initial_interval: float = 0.2
    max_interval: float = 5.0
    non_retryable: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        whole = isinstance(self.max_attempts, int)
        if (
            not whole
            or self.max_attempts < 1
            or not 0 <= self.initial_interval <= self.max_interval
        ):
            raise ValueError(
                "a retry policy needs max_attempts >= 1 and 0 <= initial_interval <= max_interval"
            )
        checked_seconds(self.max_interval, "max_interval")

    def retries(self, error: BaseException) -> bool:
        """Return whether another attempt may help after this error."""
        return not isinstance(error, (NonRetryableError, SystemExit, *self.non_retryable))

    def longest_pause(self, failed_attempts: int) -> float | None:
        """Return the seconds to wait at most after this many failed attempts, None to give up."""
        if failed_attempts >= self.max_attempts:
            return None
        doublings = min(failed_attempts - 1, DOUBLINGS)
        return float(min(self.initial_interval * 2.0**doublings, self.max_interval))

    def pause(self, failed_attempts: int) -> float | None:
        """Return the seconds to wait after this many failed attempts, None to give up."""
        longest = self.longest_pause(failed_attempts)
        return None if longest is None else longest * (0.5 + random.random() / 2)  # noqa: S311 - jitter


DEFAULT_RETRY: Final = RetryPolicy()
