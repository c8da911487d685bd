"""Durations as people type them: `90s`, `15m`, `6h`, `45d`, `1d12h`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = re.compile(r"([0-9]{1,12})([dhms])")
_WHOLE = re.compile(r"(?:[0-9]{1,12}[dhms])+")
_LONGEST = timedelta(days=7305)  # twenty years


class BadDurationError(ValueError):
    """It is no duration to go forward by; the message says what was expected."""


def parse_duration(text: str) -> timedelta:
    """A positive duration of at most twenty years; raises BadDurationError."""
    written = text.strip().lower()
    if not _WHOLE.fullmatch(written):
        raise BadDurationError(f"{text!r} is no duration; expected something like 90s, 15m, 6h, 45d or 1d12h")
    parts = _PART.findall(written)
    units = [unit for _, unit in parts]
    if len(set(units)) != len(units):
        raise BadDurationError(f"{text!r} names a unit twice; expected something like 1d12h")
    try:
        duration = timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})
    except OverflowError:
        duration = timedelta.max
    if duration <= timedelta(0):
        raise BadDurationError("time only goes forward: expected a duration above zero")
    if duration > _LONGEST:
        raise BadDurationError(f"{text!r} is too far: twenty years (7305d) at most")
    return duration
