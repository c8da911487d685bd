"""By when an answer is still waited for: set by who let the call wait in line, heeded by the adapter that makes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_ENDS_AT: ContextVar[float] = ContextVar("ends_at", default=inf)


@contextmanager
def ending_by(instant: float) -> Iterator[None]:
    """What is called inside has until then, an instant of `time.monotonic()`, however long it would have by itself."""
    before = _ENDS_AT.set(instant)
    try:
        yield
    finally:
        _ENDS_AT.reset(before)


def end_of_call(within_s: float) -> float:
    """The instant of `time.monotonic()` by which a call that may take so long has to end."""
    return min(time.monotonic() + within_s, _ENDS_AT.get())
