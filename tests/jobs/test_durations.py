"""Durations of `billing clock advance`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.durations import BadDurationError, parse_duration


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("6h", timedelta(hours=6)),
        ("45d", timedelta(days=45)),
        ("1d12h", timedelta(days=1, hours=12)),
        (" 2H30M ", timedelta(hours=2, minutes=30)),
        ("7305d", timedelta(days=7305)),
    ],
)
def test_durations_are_written_as_people_write_them(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize("written", ["", "5", "d", "1.5h", "1 d", "1y", "-3d", "+3d", "1d 2h", "٣d", "1d2", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(BadDurationError, match="45d"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["0s", "0d0h"])
def test_time_does_not_stand_still(written: str) -> None:
    with pytest.raises(BadDurationError, match="above zero"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["7306d", "7305d1s", "999999999999d", "999999999999h"])
def test_time_goes_twenty_years_at_most(written: str) -> None:
    with pytest.raises(BadDurationError, match="twenty years"):
        parse_duration(written)


def test_a_unit_counts_once() -> None:
    with pytest.raises(BadDurationError, match="twice"):
        parse_duration("1d1d")
