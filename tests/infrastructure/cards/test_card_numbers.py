"""A card is taken only if a bank could have made it and it has not expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cards import CardInvalid, CardNumber, check_cvc, check_expiry, expires_at, passes_luhn


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("5555555555554477", "5555555555554477"),
        (" 5555 5555 5555 4477 ", "5555555555554477"),
        ("4111-1111-1111-1111", "4111111111111111"),
        ("378282246310005", "378282246310005"),
        ("6759649826438453", "6759649826438453"),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, digits: str) -> None:
    number = CardNumber.parse(text)
    assert number.digits == digits
    assert (number.first6, number.last4) == (digits[:6], digits[-4:])


@pytest.mark.parametrize(
    "text",
    ["", "5", "5555555555554478", "5555  5555 5555 4477", "0" * 16, "٤١١١١١١١١١١١١١١١", "4111a11111111111", "1" * 20,
     "4111111111111111\n4", "-4111111111111111", "1" * 10_000],
)  # fmt: skip
def test_what_is_no_card_number_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CardInvalid) as caught:
        CardNumber.parse(text)
    assert caught.value.field == "number"
    assert not text or text not in str(caught.value)


@given(st.text("0123456789", min_size=11, max_size=18), st.data())
def test_luhn_finds_every_mistyped_digit(body: str, data: st.DataObject) -> None:
    check = next(str(digit) for digit in range(10) if passes_luhn(f"{body}{digit}"))
    number = body + check
    place = data.draw(st.integers(0, len(number) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert not passes_luhn(number[:place] + other + number[place + 1 :])


def test_a_number_shows_its_ends_only() -> None:
    number = CardNumber.parse("5555555555554477")
    assert str(number) == "555555******4477"
    assert "5555555555554477" not in repr(number) + repr([number]) + f"{number}"


def test_a_card_is_good_to_the_end_of_its_month_everywhere_on_earth() -> None:
    end = expires_at(2, 2028)
    assert end == datetime(2028, 3, 1, 12, tzinfo=UTC)
    check_expiry(2, 2028, end - timedelta(microseconds=1))
    with pytest.raises(CardInvalid, match="expired"):
        check_expiry(2, 2028, end)
    assert expires_at(12, 2027) == datetime(2028, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("month", "year"), [(0, 2030), (13, 2030), (-1, 2030), (5, 30), (5, 1999), (5, 2090)])
def test_an_impossible_expiry_is_refused(month: int, year: int) -> None:
    with pytest.raises(CardInvalid):
        check_expiry(month, year, datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("cvc", ["", "12", "12345", "12a", "١٢٣", "123\n"])
def test_what_is_no_cvc_is_refused_and_not_repeated(cvc: str) -> None:
    check_cvc("000")
    with pytest.raises(CardInvalid) as caught:
        check_cvc(cvc)
    assert not cvc or cvc not in str(caught.value)
