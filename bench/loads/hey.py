"""hey as another client, to see that the load of our own measures the same."""

from __future__ import annotations

import re
import subprocess

CLIENTS = 32
STATUS = re.compile(r"\[(\d{3})\]\s+(\d+) responses")


def hey(url: str, seconds: float, *options: str) -> dict[str, float]:
    """Run a closed loop of 32 clients, and return the figures that hey prints."""
    command = ["hey", "-z", f"{seconds:g}s", "-c", str(CLIENTS), *options, url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    statuses = {int(status): int(count) for status, count in STATUS.findall(printed)}
    good = sum(count for status, count in statuses.items() if 200 <= status < 300)
    return {
        "rate": good / _number(r"Total:\s+([\d.]+)", printed),
        "p50_ms": _number(r"50% in ([\d.]+)", printed) * 1000,
        "p99_ms": _number(r"99% in ([\d.]+)", printed) * 1000,
        "count": good,
        "failed": sum(statuses.values()) - good,
    }


def _number(pattern: str, printed: str) -> float:
    found = re.search(pattern, printed)
    if found is None:
        raise RuntimeError(f"hey did not print {pattern}: {printed[:200]}")
    return float(found[1])
