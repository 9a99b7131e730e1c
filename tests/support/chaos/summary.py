"""The verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.faults.checker import Verdict

MOST_SHOWN = 20


def summary(verdict: Verdict) -> str:
    """Return what happened and what was found, a line each."""
    injected = sorted(verdict.injected.items(), key=lambda pair: (-pair[1], pair[0]))
    lines = [
        f"executions  {verdict.accepted} accepted, {verdict.resolved} ended with the right result",
        f"clients     {verdict.polls} long polls, {verdict.streams} event streams compared",
        f"faults      {sum(verdict.injected.values())} injected",
        *(f"            {count:5} {what}" for what, count in injected),
        f"lost        {verdict.lost}",
        f"double      {verdict.double}",
        f"repeated    {verdict.repeated} steps, each by a fault that its worker met",
        f"recovery    {verdict.longest_delay:.1f} s at most that an execution lost beside faults",
        f"            {verdict.longest_recovery:.1f} s from the last fault to the last end",
        f"a begin     took {verdict.longest_begin:.1f} s at most",
        f"verdict     {'every promise was kept' if not verdict.faults else 'FAULTS:'}",
        *verdict.faults[:MOST_SHOWN],
    ]
    if len(verdict.faults) > MOST_SHOWN:
        lines.append(f"and {len(verdict.faults) - MOST_SHOWN} more")
    return "\n".join(lines)
