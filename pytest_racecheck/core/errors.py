"""The exceptions that users can meet, and the one that ends a task."""

from __future__ import annotations


class RacecheckError(Exception):
    """Something the user can put right; the message names the value, the place and the remedy."""


class TokenError(RacecheckError):
    """A replay token is broken, of another format, or no longer fits the code."""


class UnsupportedInterpreterError(RacecheckError):
    """This Python is not one whose bytecode we know."""


class RacecheckInternalError(Exception):
    """This should never happen: please report it."""


class Unwind(BaseException):
    """Ends a task. Ours alone: ``except Exception`` does not catch it."""
