"""Gives the SDK promises with their large values, which it decodes as soon as it has a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resonate.models.durable_promise import DurablePromiseValue

from shared.resonate import tags as tag
from shared.resonate.large_values import Reference, data_of

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.large_values import Data, LargeValues


def read_param(values: LargeValues, promise: DurablePromise) -> None:
    """Give a promise its param as text. Raises as `LargeValues.read` does."""
    promise.param = DurablePromiseValue(None, values.text(data_of(promise.param)))


def read_value(values: LargeValues, promise: DurablePromise, sent: Data | None = None) -> None:
    """Give a promise its value as text, which may be what was just sent. Raises as `read_param`.

    A client's execution is waited for by its webhook only, which does not want the result.
    """
    value = data_of(promise.value)
    if not isinstance(value, Reference) or promise.tags.get(tag.KIND) == tag.EXECUTION:
        return
    known = sent if isinstance(sent, str) and value.is_to(sent) else None
    promise.value = DurablePromiseValue(None, known or values.text(value))
