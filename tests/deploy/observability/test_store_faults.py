"""A real Prometheus sees PostgreSQL run out of numbers for promises, before every begin fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resonate.cursors import HIGHEST
from tests.support.cell.guards import needs_haproxy, needs_postgres, safe_server
from tests.support.processes import wait_until
from tests.support.prometheus import needs_prometheus, prometheus
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cell.guards import SafeServer

pytestmark = [needs_prometheus, needs_postgres, needs_haproxy]


def use_up(server: SafeServer, part: float) -> None:
    """Have PostgreSQL go on from this part of its numbers."""
    sequence = server.postgres.rows("SELECT pg_get_serial_sequence('promises', 'sort_id')")[0][0]
    server.postgres.run(f"SELECT setval('{sequence}', {int(part * HIGHEST)})")


def test_the_numbers_are_used_up(tmp_path: Path) -> None:
    """There is a warning at a half, an alarm at four fifths, and then no begin is stored."""
    with (
        safe_server(tmp_path) as server,
        running_stack(tmp_path, workers=1, server=server) as stack,
        prometheus(
            tmp_path / "prometheus", {"gateways": [stack.url.removeprefix("http://")]}
        ) as watching,
    ):
        assert stack.begin("first").status == 202
        used = "durable_http_gateway_promise_numbers_used_ratio"
        wait_until(lambda: watching.labels(f"{used} > 0", "job"), what="the first number")
        watching.calm()

        with watching.raised("PromiseNumbersHalfUsed"):
            use_up(server, 0.6)
            assert stack.begin("second").status == 202
        with watching.raised("PromiseNumbersNearlyUsed"):
            use_up(server, 0.9)
            assert stack.begin("third").status == 202

        use_up(server, 1)
        assert stack.begin("last").status == 503
