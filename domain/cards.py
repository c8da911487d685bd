"""Card numbers: reading, Luhn's check, expiry. What of a number may be shown is its first six and last four digits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NoReturn

from domain.errors import RuleBroken

_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9]){11,18}")
_CVC = re.compile(r"[0-9]{3,4}")
_LAST_ZONE_ON_EARTH: Final = timezone(timedelta(hours=-12))
_MAX_YEARS_AHEAD: Final = 20


class CardInvalid(RuleBroken):
    """A card that no payment system would take. `field`: which entry is wrong; neither quotes what was entered."""

    code = "card_invalid"

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"The card can't be used: {message}.", errors=[{"field": field_name, "message": message}])
        self.field = field_name


@dataclass(frozen=True, slots=True)
class CardNumber:
    """A number of 12 to 19 digits whose check digit is right. Its repr shows no more than people may see."""

    digits: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> CardNumber:
        """Read a number as people write it, with single spaces or hyphens between digits; raises CardInvalid."""
        if len(text) > 64 or not _NUMBER.fullmatch(text.strip()):
            raise CardInvalid("number", "a card number has 12 to 19 digits")
        digits = re.sub(r"[ -]", "", text.strip())
        if not passes_luhn(digits) or not digits.strip("0"):
            raise CardInvalid("number", "the card number is mistyped: its check digit does not fit")
        return cls(digits)

    @property
    def first6(self) -> str:
        return self.digits[:6]

    @property
    def last4(self) -> str:
        return self.digits[-4:]

    def __str__(self) -> str:
        return f"{self.first6}******{self.last4}"

    def __repr__(self) -> str:
        return f"CardNumber({self})"


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + place % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def check_expiry(exp_month: int, exp_year: int, at: datetime) -> None:
    """Raise CardInvalid unless the card can be used at `at` (aware): it is good to the end of its month.

    The end of the month on the whole Earth, since nobody knows in whose zone a bank counts: it says no if need be.
    """
    if isinstance(exp_month, bool) or not 1 <= exp_month <= 12:
        raise CardInvalid("exp_month", "a month is 1 to 12")
    if isinstance(exp_year, bool) or not 2000 <= exp_year <= at.astimezone(UTC).year + _MAX_YEARS_AHEAD:
        raise CardInvalid("exp_year", "a year has four digits and is not far away")
    if at >= expires_at(exp_month, exp_year):
        raise CardInvalid("exp_year", "the card has expired")


def expires_at(exp_month: int, exp_year: int) -> datetime:
    """The first instant, in UTC, at which the card is good nowhere on Earth any more."""
    year, month = (exp_year + 1, 1) if exp_month == 12 else (exp_year, exp_month + 1)
    return datetime(year, month, 1, tzinfo=_LAST_ZONE_ON_EARTH).astimezone(UTC)


def check_cvc(cvc: str) -> None:
    """Raise CardInvalid unless it can be a CVC."""
    if not _CVC.fullmatch(cvc):
        raise CardInvalid("cvc", "a CVC has 3 or 4 digits")


class Cvc:
    """A CVC on its way from the request to the one call that it is for (PAY-13). Nothing shows, compares or copies it.

    A class of its own, and no field of a payment: whatever keeps payments can't keep it by oversight.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        check_cvc(digits)
        self._digits = digits

    def reveal(self) -> str:
        """For the payment system's ears only."""
        return self._digits

    def __repr__(self) -> str:
        return "Cvc(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a CVC is written nowhere")
