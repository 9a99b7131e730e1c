"""supervisord that starts its programs at once: `python -m tools.run.supervise -c FILE`.

The original loop sleeps for a second before it starts the first program.
"""

from __future__ import annotations

# The package has no types.
from supervisor import supervisord  # type: ignore[import-untyped]


class Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    """The supervisor, which starts all programs before it enters its loop."""

    def runforever(self) -> None:
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()


if __name__ == "__main__":
    supervisord.Supervisor = Supervisor
    supervisord.main()
