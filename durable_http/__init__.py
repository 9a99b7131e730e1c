"""Durable functions: what their authors import.

A function that is declared with `function` survives the death of the process that runs it: another
worker goes on with it from the first step that had not finished.
"""

from durable_http.context import Context, Workflow
from durable_http.declarations.definition import function
from durable_http.errors import (
    DeclarationError,
    NonRetryableError,
    NotJson,
    ResultTooLarge,
    StepFailed,
    StepTimeout,
    TimedOut,
    WrongResult,
)
from durable_http.retry import RetryPolicy
from durable_http.step import Step

__all__ = [
    "Context",
    "DeclarationError",
    "NonRetryableError",
    "NotJson",
    "ResultTooLarge",
    "RetryPolicy",
    "Step",
    "StepFailed",
    "StepTimeout",
    "TimedOut",
    "Workflow",
    "WrongResult",
    "function",
]
