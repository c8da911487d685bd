"""Money: whole minor units (kopecks) with a currency, and the one rounding rule of the service."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VALUE = re.compile(r"(0|[1-9][0-9]{0,11})\.([0-9]{2})")
_CURRENCY = re.compile(r"[A-Z]{3}")


def proportion(whole: int, part: int, of: int) -> int:
    """`whole × part / of` in integers, rounded half up: the only rounding of money there is.

    Shapes: all three are integers, `0 <= part <= of`, `of > 0`; `whole >= 0` in minor units.
    """
    if of <= 0 or not 0 <= part <= of or whole < 0:
        raise ValueError(f"no proportion of {whole} for {part} of {of}")
    return (2 * whole * part + of) // (2 * of)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units, e.g. `Money(49900, "RUB")` is 499 roubles."""

    minor: int
    currency: str = "RUB"

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError("money is whole minor units")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"not a currency: {self.currency!r}")

    @classmethod
    def parse(cls, value: str, currency: str = "RUB") -> Money:
        """Read exactly two decimals, as callers and payment systems write them: `"499.00"`.

        Raises ValueError for anything else: no float ever takes part.
        """
        match = _VALUE.fullmatch(value)
        if match is None:
            raise ValueError(f"an amount has two decimals and no sign, like 499.00, not {value!r}")
        return cls(int(match[1]) * 100 + int(match[2]), currency)

    @property
    def value(self) -> str:
        """The amount with two decimals and a point: `"499.00"`."""
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{abs(self.minor) // 100}.{abs(self.minor) % 100:02d}"

    def __str__(self) -> str:
        return f"{self.value} {self.currency}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other).minor

    def share(self, part: int, of: int) -> Money:
        """The part of this amount that `part` is of `of`, rounded half up; see `proportion`."""
        return Money(proportion(self.minor, part, of), self.currency)

    def zero(self) -> Money:
        return Money(0, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other
