"""Money is whole kopecks, and there is one rounding (invariant 7)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money, proportion


@given(st.integers(0, 10**12), st.integers(1, 10**10).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_is_rounded_half_up_and_never_more_than_the_whole(whole: int, fraction: tuple[int, int]) -> None:
    part, of = fraction

    share = proportion(whole, part, of)

    assert 0 <= share <= whole
    assert share == int((Decimal(whole) * part / of).quantize(Decimal(1), ROUND_HALF_UP))


def test_half_a_kopeck_goes_up() -> None:
    assert proportion(1, 1, 2) == 1
    assert proportion(3, 1, 2) == 2


@given(st.integers(0, 10**13))
def test_what_is_written_is_read_back(minor: int) -> None:
    assert Money.parse(Money(minor).value) == Money(minor)


@pytest.mark.parametrize("value", ["499", "499.0", "499.000", "-1.00", "+1.00", "01.00", "1e3", "NaN", " 1.00", "١.00"])
def test_anything_but_two_exact_decimals_is_no_amount(value: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        Money.parse(value)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="do not mix"):
        Money(1, "RUB") + Money(1, "USD")
