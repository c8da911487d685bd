"""The calendar: a period ends on the anchor's day and wall-clock time, or on the month's last day (invariant 11)."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.periods import Anchor, Period, PeriodLength, PeriodUnit

MONTH = PeriodLength(PeriodUnit.MONTH, 1)
ZONES = ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]

anchors = st.builds(
    Anchor,
    st.integers(1325376000, 3786912000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(ZONES),
)
lengths = st.builds(PeriodLength, st.sampled_from(list(PeriodUnit)), st.integers(1, 14))


def _ends(anchor: Anchor, length: PeriodLength, count: int) -> list[datetime]:
    ends, start = [], anchor.at
    for _ in range(count):
        start = anchor.period_from(start, length).end
        ends.append(start)
    return ends


def test_31_january_goes_by_28_february_back_to_31_march() -> None:
    anchor = Anchor(datetime(2027, 1, 31, 9, 0, tzinfo=UTC), "Europe/Moscow")

    days = [end.astimezone(ZoneInfo(anchor.zone)).strftime("%d.%m %H:%M") for end in _ends(anchor, MONTH, 4)]

    assert days == ["28.02 12:00", "31.03 12:00", "30.04 12:00", "31.05 12:00"]


def test_29_february_comes_back_in_the_next_leap_year() -> None:
    anchor = Anchor(datetime(2028, 2, 29, 9, 0, tzinfo=UTC), "Europe/Moscow")

    ends = _ends(anchor, PeriodLength(PeriodUnit.YEAR, 1), 4)

    assert [end.strftime("%Y-%m-%d") for end in ends] == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


def test_a_day_is_the_persons_day_not_utcs() -> None:
    # 31 January 23:30 in New York is already February in UTC.
    anchor = Anchor(datetime(2027, 2, 1, 4, 30, tzinfo=UTC), "America/New_York")

    assert anchor.period_from(anchor.at, MONTH).end == datetime(2027, 3, 1, 4, 30, tzinfo=UTC)  # 28 February there


@pytest.mark.parametrize(
    ("began", "ends"),
    [
        # 02:30 does not exist in Berlin on 28 March 2027: forward by the gap, to 03:30.
        (datetime(2027, 2, 28, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        # 02:30 occurs twice on 31 October 2027: the first, still summer time.
        (datetime(2027, 9, 30, 0, 30, tzinfo=UTC), datetime(2027, 10, 30, 0, 30, tzinfo=UTC)),
        (datetime(2027, 8, 31, 0, 30, tzinfo=UTC), datetime(2027, 9, 30, 0, 30, tzinfo=UTC)),
    ],
)
def test_clock_changes(began: datetime, ends: datetime) -> None:
    assert Anchor(began, "Europe/Berlin").period_from(began, MONTH).end == ends


def test_the_first_of_a_time_that_occurs_twice_is_meant() -> None:
    anchor = Anchor(datetime(2027, 8, 31, 0, 30, tzinfo=UTC), "Europe/Berlin")  # 02:30 in summer time

    october = _ends(anchor, MONTH, 2)[1]

    assert october == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@given(anchors, lengths)
def test_periods_follow_each_other_without_gap_and_never_drift(anchor: Anchor, length: PeriodLength) -> None:
    ends = _ends(anchor, length, 15)
    zone = ZoneInfo(anchor.zone)
    wanted = anchor.at.astimezone(zone)

    assert all(earlier < later for earlier, later in zip([anchor.at, *ends], ends, strict=False))
    for end in ends:
        local = end.astimezone(zone)
        if length.unit in (PeriodUnit.MONTH, PeriodUnit.YEAR) and local.time() == wanted.time():
            assert local.day == min(wanted.day, calendar.monthrange(local.year, local.month)[1])


@given(anchors, lengths, st.integers(0, 40))
def test_a_period_found_from_anywhere_is_the_one_found_step_by_step(
    anchor: Anchor, length: PeriodLength, steps: int
) -> None:
    ends = [anchor.at, *_ends(anchor, length, steps + 1)]

    assert anchor.period_from(ends[steps], length).end == ends[steps + 1]
    assert anchor.period_from(ends[steps + 1] - timedelta(hours=13), length).end == ends[steps + 1]


def test_a_zone_whose_rules_were_changed_sells_no_period_of_an_hour() -> None:
    """Almaty moved its clocks from +06:00 to +05:00 on 1 March 2024; the last end was computed before."""
    anchor = Anchor(datetime(2024, 2, 15, 6, tzinfo=UTC), "Asia/Almaty")
    last_end = datetime(2024, 3, 15, 6, tzinfo=UTC)  # 12:00 by the rules that held when it was computed

    assert anchor.period_from(last_end, MONTH).end == datetime(2024, 4, 15, 7, tzinfo=UTC)


@given(st.integers(1, 10**9), st.integers(-(10**9), 2 * 10**9))
def test_seconds_left_stay_within_the_period(length_s: int, after_s: int) -> None:
    start = datetime(2027, 1, 1, tzinfo=UTC)
    period = Period(start, start + timedelta(seconds=length_s))

    left = period.seconds_left(start + timedelta(seconds=after_s))

    assert left == min(max(length_s - after_s, 0), length_s)
