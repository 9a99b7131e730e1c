"""The parts that all slots of a worker share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resonate.registry import Registry

    from shared.catalog import Catalog
    from shared.resonate.tasks import Tasks
    from shared.resonate.transport import Transport
    from worker.tasks.leases import Leases
    from worker.tasks.offers import Inbox
    from worker.tasks.suspects import Suspects
    from worker.user_calls import UserCalls


@dataclass(frozen=True)
class SharedParts:
    """The worker's identity, and what its slots use together."""

    name: str
    group: str
    pid: str
    registry: Registry
    catalog: Catalog
    transport: Transport
    tasks: Tasks
    inbox: Inbox
    leases: Leases
    calls: UserCalls
    suspects: Suspects
    max_recoveries: int
    max_result_bytes: int
