"""An event loop whose timers cost no time, so that a wait of two seconds is the same in every run."""

from __future__ import annotations

import asyncio
import selectors


class _Selector(selectors.DefaultSelector):
    """While nobody outside is being waited for, the next timer comes at once."""

    loop: SimulatedLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            if self.loop.outside:
                return super().select(None)
            self.loop.skip(timeout)
            timeout = 0
        return super().select(timeout)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`outside`: how many answers of real servers are being waited for; until they come, no timer does."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self.outside = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._elapsed

    def skip(self, seconds: float) -> None:
        self._elapsed += seconds + 1e-9


def simulated_loop() -> SimulatedLoop:
    """The loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop), "a simulated world runs on a loop of its own"
    return loop
