"""A gateway with the tests' catalog: `python -m tests.support.gateway.product`."""

from __future__ import annotations

import os
import sys

from gateway.__main__ import main
from tests.support.catalog import CATALOG

if __name__ == "__main__":
    code = main(CATALOG)
    sys.stdout.flush()
    os._exit(code)
