"""The calendar of subscriptions: when a period ends, and how much of it is left (invariant 11)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

DEFAULT_ZONE = "Europe/Moscow"
_SAME_INSTANT = timedelta(hours=12)
"""Less than the shortest period, a day with a clock change in it; more than what a zone's rules are changed by."""


class PeriodUnit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class PeriodLength:
    """What a plan sells: `count` units, e.g. one month."""

    unit: PeriodUnit
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 366:
            raise ValueError("a period has from 1 to 366 units")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, not including, `end`; both aware, in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("a period ends after it starts")

    def seconds(self) -> int:
        """Its length, cut to whole seconds."""
        return whole_seconds(self.end - self.start)

    def seconds_left(self, now: datetime) -> int:
        """How much of it lies ahead, cut to whole seconds; from 0 to all of it."""
        return min(max(whole_seconds(self.end - now), 0), self.seconds())


@dataclass(frozen=True, slots=True)
class Anchor:
    """The instant that periods are counted from, and the zone in which its day and wall clock are meant."""

    at: datetime
    zone: str

    def period_from(self, start: datetime, length: PeriodLength) -> Period:
        """The period that begins at `start` and ends at the next anchored instant after it.

        Counting from the anchor, not from the last end, is what brings 31 Jan → 28 Feb back to 31 Mar. A zone whose
        rules were changed moves that instant by an hour or so: the same one, a little later, is not the next.
        """
        steps = max(self._steps_before(start, length), 1)
        while (end := self._instant(steps, length)) - start < _SAME_INSTANT:
            steps += 1
        return Period(start, end)

    def _steps_before(self, start: datetime, length: PeriodLength) -> int:
        """A number of whole periods from the anchor that does not overshoot `start`'s next end."""
        local, then = self.at.astimezone(ZoneInfo(self.zone)), start.astimezone(ZoneInfo(self.zone))
        if length.unit in (PeriodUnit.MONTH, PeriodUnit.YEAR):
            months = (then.year - local.year) * 12 + then.month - local.month
            return (months - 1) // _months(length)
        return ((then.date() - local.date()).days - 2) // _days(length)

    def _instant(self, steps: int, length: PeriodLength) -> datetime:
        local = self.at.astimezone(ZoneInfo(self.zone))
        if length.unit in (PeriodUnit.MONTH, PeriodUnit.YEAR):
            day = _plus_months(local.date(), steps * _months(length))
        else:
            day = local.date() + timedelta(days=steps * _days(length))
        # fold=0 means the first of a wall-clock time that occurs twice, and carries one that a
        # clock change skips forward by the gap: the two rules of the calendar in one argument.
        wall = datetime.combine(day, local.time().replace(fold=0), tzinfo=ZoneInfo(self.zone))
        return wall.astimezone(UTC)


def whole_seconds(difference: timedelta) -> int:
    """A difference cut to whole seconds; negative ones towards minus infinity."""
    return difference // timedelta(seconds=1)


def _months(length: PeriodLength) -> int:
    return length.count * (12 if length.unit is PeriodUnit.YEAR else 1)


def _days(length: PeriodLength) -> int:
    return length.count * (7 if length.unit is PeriodUnit.WEEK else 1)


def _plus_months(day: date, months: int) -> date:
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, calendar.monthrange(year, month0 + 1)[1]))
