"""All chance of a simulated world, out of its seed.

Every decision has a name, and what comes of it depends on the seed and that name alone. So a decision can be
suppressed without changing any other, which is what makes a failing history short (see `shorten.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """`suppressed`: names of mishaps and deeds that do not happen, whatever the seed says."""

    def __init__(self, seed: str, suppressed: frozenset[str] = frozenset()) -> None:
        self._seed = seed.encode()
        self._suppressed = suppressed
        self.happened: list[str] = []
        """The mishaps and deeds that came true, in their order; each can be suppressed."""

    def draw(self, name: str) -> float:
        """Evenly from 0 up to 1."""
        digest = hashlib.blake2b(name.encode(), digest_size=7, key=self._seed[:64]).digest()
        return int.from_bytes(digest, "big") / (1 << 56)

    def happens(self, name: str, probability: float) -> bool:
        """Whether a mishap or deed of that name comes true; each name is asked for once."""
        if self.draw(name) >= probability or name in self._suppressed:
            return False
        self.happened.append(name)
        return True

    def pick(self, name: str, options: Sequence[T]) -> T:
        return options[int(self.draw(name) * len(options))]

    def between(self, name: str, low: float, high: float) -> float:
        return low + self.draw(name) * (high - low)
