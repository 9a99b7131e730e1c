"""What a test fails with. None of it is ever raised in a durable function."""

from __future__ import annotations


class NonDeterministic(AssertionError):
    """A function has asked for something else when it ran again; a worker would block it."""


class CrashFailure(AssertionError):
    """A function has come to another end because its worker died at some point."""


class TooManyParts(AssertionError):
    """A function has had more parts or runs than a test allows; perhaps it never ends."""


class Unfinished(AssertionError):
    """The execution has no result: it was canceled, ran out of time, or was stopped by the test."""


class UnknownChild(LookupError):
    """A child is of a function that is neither declared nor replaced."""
