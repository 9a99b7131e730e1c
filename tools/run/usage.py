"""What `make run` shows once the service is ready."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

READY: Final = """
Ready: http://localhost:{port}      Ctrl-C stops everything and keeps the data in {data}
"""

EXAMPLES: Final = """
  curl -X POST "http://localhost:{port}/begin?id=job-001" \\
       -H "Content-Type: application/json" -d '{{"foo": "hello"}}'
  curl "http://localhost:{port}/wait?id=job-001"

Five steps of a second each. Kill the worker that /wait shows, and another one continues:

  curl -X POST "http://localhost:{port}/begin?id=order-1&function=checkout"
  curl "http://localhost:{port}/wait?id=order-1"
  kill -9 $(cat {data}/worker-1.pid)
"""

OWN: Final = """
Functions: {functions}

  curl -X POST "http://localhost:{port}/begin?id=job-001&function={first}" \\
       -H "Content-Type: application/json" -d 'null'
  curl "http://localhost:{port}/wait?id=job-001"
"""


def usage(port: int, data: Path, environment: Mapping[str, str]) -> str:
    """Return how to use the service whose gateway has this environment."""
    catalog = environment.get("GATEWAY_CATALOG")
    functions = _functions(Path(catalog)) if catalog else []
    fields = {
        "port": port,
        "data": os.path.relpath(data),
        "functions": ", ".join(functions),
        "first": functions[0] if functions else "",
    }
    return (READY + (OWN if functions else EXAMPLES)).format(**fields)


def _functions(catalog: Path) -> list[str]:
    """Return the names of the functions that clients may begin."""
    entries = json.loads(catalog.read_bytes())["functions"]
    return sorted({entry["name"] for entry in entries if not entry["private"]})
