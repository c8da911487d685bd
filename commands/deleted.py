"""What became of something that was retired."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deleted:
    """It is gone: nothing referred to it."""
