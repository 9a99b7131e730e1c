"""supervisord that starts what it runs at once: `python -m tools.run.supervise -c FILE`.

Its own loop sleeps for a second before it first looks at what there is to start.
"""

from __future__ import annotations

# The package comes without types.
from supervisor import supervisord  # type: ignore[import-untyped]


class Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    """The supervisor, with one round of starting ahead of its loop."""

    def runforever(self) -> None:
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()


if __name__ == "__main__":
    supervisord.Supervisor = Supervisor
    supervisord.main()
