"""What is worth knowing of a test that passed."""

from __future__ import annotations


class RacecheckWarning(UserWarning):
    """A checked test passed, but something in it was not explored or not under control."""
