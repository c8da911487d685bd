"""The rules as the contract and the law tell them, written down a second time, for the auditor alone.

Nothing here comes from the service's own `domain`: where the two disagree, one of them is wrong.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

GRACE = timedelta(days=3)
REMINDER = timedelta(days=3)
FULL_REFUND = timedelta(days=7)
PATIENCE = timedelta(days=7)
RETRY_DAYS = (1, 3, 5, 7)
LEAST_LEFT = 100
LEAST_CHARGE = 100

LATER = {"insufficient_funds", "issuer_unavailable", "payment_method_limit_exceeded", "internal_timeout"}
FEW = {"general_decline", "call_issuer"}


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan sells: `count` times `unit` of service."""

    code: str
    unit: str
    count: int


def period_end(anchor: datetime, zone: str, terms: PlanTerms, start: datetime) -> datetime:
    """The first instant after `start` that stands a whole number of periods after the anchor, by the wall clock."""
    here = ZoneInfo(zone)
    local = anchor.astimezone(here)
    # Never past the answer: a period is at least so long, whatever the calendar does.
    shortest = {"day": 1, "week": 7, "month": 31, "year": 366}[terms.unit] * terms.count
    step = max(1, (start - anchor).days // shortest)
    while True:
        if terms.unit in ("month", "year"):
            months = local.month - 1 + step * terms.count * (12 if terms.unit == "year" else 1)
            year, month = local.year + months // 12, months % 12 + 1
            day = min(local.day, calendar.monthrange(year, month)[1])
            wall = local.replace(year=year, month=month, day=day, fold=0)
        else:
            wall = local.replace(tzinfo=None) + timedelta(days=step * terms.count * (7 if terms.unit == "week" else 1))
            wall = wall.replace(tzinfo=here, fold=0)
        end = wall.astimezone(UTC)
        if end - start >= timedelta(hours=12):  # a little later is the same one, by other rules of its zone
            return end
        step += 1


def refund_due(captured: int, left: int, credited: int, start: datetime, end: datetime, now: datetime) -> int:
    """What the person gets back of the payment for the current period; minor units. What is credit stays there."""
    if now - start < FULL_REFUND:
        amount = left
    else:
        ahead, whole = max(0, int((end - now).total_seconds())), int((end - start).total_seconds())
        amount = min(int(Fraction(captured * ahead, whole) + Fraction(1, 2)), left)
    if amount and 0 < left + credited - amount < LEAST_LEFT:
        return max(left + credited - LEAST_LEFT, 0) if credited else left
    return amount


def unused_share(paid: int, kept: int, start: datetime, end: datetime, now: datetime) -> int:
    """What of a period's price is credit for another plan now: its unused seconds' share, of what was not returned."""
    whole = int((end - start).total_seconds())
    ahead = min(max(0, int((end - now).total_seconds())), whole)
    return min(int(Fraction(paid * ahead, whole) + Fraction(1, 2)), kept)


def met(price: int, credit: int) -> tuple[int, int, int]:
    """How a price is met: credit used, money asked for, credit left."""
    used = min(price, credit)
    rest = price - used
    return used, rest if rest >= LEAST_CHARGE else 0, credit - used


@dataclass(slots=True)
class Expected:
    """What one subscription must look like."""

    id: UUID
    user_id: UUID
    terms: PlanTerms
    zone: str
    status: str = "pending"
    number: int = 0
    start: datetime | None = None
    end: datetime | None = None
    anchor: datetime | None = None
    method: str | None = None
    ending: bool = False
    next_charge: datetime | None = None
    remind_at: datetime | None = None
    end_at: datetime | None = None
    first_failed: datetime | None = None
    tries: int = 0
    open_payment: UUID | None = None
    ending_refund: UUID | None = None
    payers: list[UUID] = field(default_factory=list)
    payer: UUID | None = None  # of the current period; None where credit paid it
    credit: int = 0  # of the current period
    balance: int = 0
    next_terms: PlanTerms | None = None

    @property
    def coming(self) -> PlanTerms:
        """What the next period is of."""
        return self.next_terms or self.terms

    @property
    def has_method(self) -> bool:
        return self.method is not None

    @property
    def running(self) -> bool:
        return self.status in ("active", "past_due")

    @property
    def goes_on(self) -> bool:
        """Whether nobody has ended it, or is about to."""
        return self.running and not self.ending and self.ending_refund is None

    @property
    def ended(self) -> bool:
        return self.status in ("canceled", "expired")

    def paid(self, at: datetime, payer: UUID | None, terms: PlanTerms, credit: int) -> tuple[datetime, datetime]:
        """A period was paid: it begins now, or joins the last one while its grace lasts."""
        if self.end is None or at >= self.end + GRACE:
            self.start = self.anchor = at
        else:
            self.start = self.end
            if (terms.unit, terms.count) != (self.terms.unit, self.terms.count):
                self.anchor = self.end
            assert self.anchor is not None
            if period_end(self.anchor, self.zone, terms, self.start) <= at:
                self.start = self.anchor = at
        self.balance -= credit
        return self._begin(payer, terms, credit)

    def changed(self, at: datetime, payer: UUID | None, terms: PlanTerms, credit: int, balance: int) -> None:
        """The plan was changed: a full period of the new one begins now."""
        self.start = self.anchor = at
        self.balance = balance
        self._begin(payer, terms, credit)

    def _begin(self, payer: UUID | None, terms: PlanTerms, credit: int) -> tuple[datetime, datetime]:
        if terms != self.terms:
            self.terms, self.next_terms = terms, None
        self.credit, self.payer = credit, payer
        assert self.start is not None
        assert self.anchor is not None
        self.end = period_end(self.anchor, self.zone, self.terms, self.start)
        self.number += 1
        self.status, self.first_failed, self.tries = "active", None, 0
        if payer is not None:
            self.payers.append(payer)
        self.plan()
        return self.start, self.end

    def plan(self) -> None:
        assert self.start is not None
        assert self.end is not None
        self.next_charge = self.remind_at = self.end_at = None
        if self.ending or not self.has_method:
            self.end_at = self.end
        else:
            self.next_charge = self.end
            self.remind_at = self.end - REMINDER if self.end - REMINDER > self.start else None

    def refused(self, reason: str, tried_at: datetime, at: datetime) -> str:
        """The renewal's charge was refused; says what follows: `again`, `ask` or `over`.

        Of the days that are promised one is left out only where it had passed before this charge was made.
        """
        if self.first_failed is None:
            self.first_failed = at
        else:
            self.tries += 1
        self.status = "past_due"
        self.next_charge = self.remind_at = self.end_at = None
        days = RETRY_DAYS if reason in LATER else RETRY_DAYS[:2] if reason in FEW else None
        if days is None or not self.has_method:
            self.end_at = at + PATIENCE
            return "ask"
        tries = [self.first_failed + timedelta(days=day) for day in days[self.tries :]]
        ahead = [moment for moment in tries if moment > tried_at]
        if not ahead:
            self.over("expired")
            return "over"
        self.next_charge = ahead[0]
        return "again"

    def lacks_method(self, at: datetime) -> None:
        self.status, self.first_failed = "past_due", self.first_failed or at
        self.next_charge = self.remind_at = None
        self.end_at = at + PATIENCE

    def method_removed(self, at: datetime, charge: int) -> bool:
        """True where the person is asked to pay at once; what is under way is waited for, and days given stand.

        `charge`: what the next period would take beside the balance; where that is nothing, the next try renews.
        """
        self.method = None
        waits = self.open_payment is not None or self.ending_refund is not None
        if self.status == "past_due" and self.next_charge is not None and not waits and charge:
            self.lacks_method(at)
            return True
        if self.status == "active":
            self.plan()
        return False

    def over(self, status: str) -> None:
        self.status = status
        self.next_charge = self.remind_at = self.end_at = None

    def access_until(self) -> datetime | None:
        if not self.running or self.end is None:
            return None
        return self.end if self.ending else self.end + GRACE
