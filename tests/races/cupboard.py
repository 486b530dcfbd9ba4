"""Another module, whose variable the gallery shares."""

from __future__ import annotations

count = 0
