"""Time as the books keep it: whole milliseconds since 1970, written as YooKassa writes it."""

from __future__ import annotations

from datetime import UTC, datetime

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

_2000_AT_NOON = 946_728_000  # where YooKassa's identifiers begin to count seconds


class ClockAwayError(Exception):
    """The service's clock cannot be read at the moment."""


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def written(ms: int) -> str:
    """`2026-07-01T10:00:00.000Z`."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def parsed(text: str) -> int:
    """Read ISO 8601 with a zone; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return to_ms(moment)


def year_month(ms: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.year, moment.month


def identifier(ms: int, seq: int) -> str:
    """An id in YooKassa's manner: the time, then a number that no other object has.

    The multiplication by an odd number shuffles the sequence without ever meeting itself, so that
    a million objects of one held second differ.
    """
    seconds = (ms // 1000 - _2000_AT_NOON) % 2**32
    tail = (seq * 0x5DEECE66D2B + 0x1F0D3A9C4B7E) % 2**48
    return f"{seconds:08x}-000f-5000-8000-{tail:012x}"
