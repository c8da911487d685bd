"""How often something may be done: so many times a second in the long run."""

from __future__ import annotations

from collections.abc import Callable


class Allowance:
    """What was not used is kept for one second at most.

    `monotonic` gives seconds that never go back; it is first asked when something may be done.
    """

    def __init__(self, a_second: float, monotonic: Callable[[], float]) -> None:
        self._a_second = a_second
        self._monotonic = monotonic
        self._left = a_second
        self._looked_at: float | None = None

    def is_left(self) -> bool:
        """Whether it may be done once more now."""
        now = self._monotonic()
        since = now - self._looked_at if self._looked_at is not None else 0.0
        self._left = min(self._left + since * self._a_second, self._a_second)
        self._looked_at = now
        return self._left >= 1

    def take(self) -> None:
        """It is done."""
        self._left -= 1
