"""Plans: what is sold, at which price, for how long (SUB-1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.errors import PriceChanged
from domain.money import Money
from domain.periods import PeriodLength


@dataclass(slots=True)
class Plan:
    """A plan with the price that holds now. Prices are versioned: a new one is added, none is rewritten."""

    id: UUID
    code: str
    name: str
    description: str
    price: Money
    period: PeriodLength
    trial_days: int
    available: bool
    archived_at: datetime | None = None
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    @property
    def for_sale(self) -> bool:
        return self.available and self.archived_at is None

    def require_price(self, shown: Money) -> None:
        """PAY-9: nothing is charged unless the caller shows the price that holds."""
        if shown != self.price:
            raise PriceChanged(self.price)
