"""The functions that the tests use."""

from __future__ import annotations

from typing import Final

CHECKOUT: Final = ["reserve", "charge", "pack", "ship", "notify"]
"""The steps of `checkout`, in order."""
