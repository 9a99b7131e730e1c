"""All parts, in the order in which they are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.parts import (
    backlog,
    begins,
    crowds,
    growth,
    histories,
    jobs,
    profile,
    recovery,
    waits,
    witness,
)

if TYPE_CHECKING:
    from bench.parts.part import Part

PARTS: Final[dict[str, Part]] = {
    part.name: part
    for part in (
        *begins.PARTS,
        *waits.PARTS,
        *jobs.PARTS,
        *recovery.PARTS,
        *profile.PARTS,
        *witness.PARTS,
        *histories.PARTS,
        *crowds.PARTS,
        *growth.PARTS,
        *backlog.PARTS,
    )
}
