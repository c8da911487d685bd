"""Refunds: how much is returned (PAY-4), and one refund's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.errors import IllegalTransition
from domain.money import Money
from domain.payment import Payment, PaymentKind
from domain.payment_system import Cancellation
from domain.rules import Rules


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.PENDING: frozenset({RefundStatus.UNKNOWN, RefundStatus.SUCCEEDED, RefundStatus.CANCELED}),
    RefundStatus.UNKNOWN: frozenset({RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.CANCELED}),
    RefundStatus.SUCCEEDED: frozenset(),
    RefundStatus.CANCELED: frozenset(),
}


class RefundOrigin(StrEnum):
    """Who wanted the money back."""

    PERSON = "person"
    INTERNAL = "internal"
    LATE_MONEY = "late_money"  # it arrived for what had ended
    CABINET = "cabinet"  # made in the payment system's own cabinet
    EXTERNAL = "external"  # returned outside the service


@dataclass(slots=True)
class Refund:
    """Reserved and committed before any payment system is asked; its id is the idempotency key."""

    id: UUID
    payment_id: UUID
    subscription_id: UUID
    user_id: UUID
    amount: Money
    status: RefundStatus
    origin: RefundOrigin
    ends_subscription: bool
    created_at: datetime
    key_since: datetime
    payment_system: str | None
    key_number: int = 1
    key_lapsed: bool = False  # of the present key: once seen as lapsed it is never sent again
    sent_by: datetime | None = None  # as the wall's clock has it: under the present key it was not sent before this
    reason: str | None = None
    provider_refund_id: str | None = None
    cancellation: Cancellation | None = None
    settled_at: datetime | None = None
    source: str | None = None
    reference: str | None = None
    asks: int = 0
    ask_again_at: datetime | None = None
    ask_again_by: datetime | None = None
    last_silence: str | None = None
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    @property
    def is_open(self) -> bool:
        return self.status in (RefundStatus.PENDING, RefundStatus.UNKNOWN)

    @property
    def idempotency_key(self) -> str:
        """Its id; numbered once an earlier key has lapsed and the payment system knew of no refund under it."""
        return str(self.id) if self.key_number == 1 else f"{self.id}-{self.key_number}"

    def take_new_key(self, at: datetime, wall_at: datetime) -> None:
        self.key_number += 1
        self.key_since, self.sent_by, self.key_lapsed = at, wall_at, False

    def move(self, to: RefundStatus) -> None:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"refund {self.id}: {self.status} → {to}")
        self.status = to

    def becomes_unknown(self, why: str) -> bool:
        """Nobody knows how it stands. True if that is news."""
        self.last_silence = why[:500]
        if self.status is RefundStatus.UNKNOWN:
            return False
        self.move(RefundStatus.UNKNOWN)
        return True

    def waits(self) -> bool:
        """The payment system has it and works on it. True if that is news."""
        self.last_silence = None
        if self.status is RefundStatus.PENDING:
            return False
        self.move(RefundStatus.PENDING)
        return True

    def succeed(self, at: datetime) -> None:
        self.move(RefundStatus.SUCCEEDED)
        self._end(at)

    def cancel(self, why: Cancellation, at: datetime) -> None:
        self.move(RefundStatus.CANCELED)
        self.cancellation = why
        self._end(at)

    def ask_again(self, now: datetime, wall_now: datetime, after: timedelta) -> None:
        """When the janitor looks at it next; see Payment.ask_again."""
        self.asks += 1
        self.ask_again_at, self.ask_again_by = now + after, wall_now + after

    def _end(self, at: datetime) -> None:
        self.settled_at = at
        self.last_silence = None
        self.ask_again_at = self.ask_again_by = None


@dataclass(frozen=True, slots=True)
class RefundQuote:
    """What a refund would return now. `full`: all of the payment, not a part of it."""

    amount: Money
    full: bool
    payment_id: UUID


def quote_refund(payment: Payment, now: datetime, rules: Rules) -> RefundQuote:
    """The policy of PAY-4 for the payment of the current period; zero where nothing is due.

    All of it in the first seven days; afterwards the unused seconds' share, rounded half up; never
    more than what is left; all that is left where less than 1.00 would stay behind.
    """
    left = payment.left_to_refund
    # What came from outside is returned outside: no payment system of ours has it.
    outside = payment.kind is PaymentKind.EXTERNAL
    if payment.period is None or not left.minor or payment.status.value != "succeeded" or outside:
        return RefundQuote(payment.amount.zero(), full=False, payment_id=payment.id)
    amount = left
    if now - payment.period.start >= rules.full_refund:
        amount = min(payment.amount.share(payment.period.seconds_left(now), payment.period.seconds()), left)
    if amount.minor:
        amount = payment.returnable(amount, rules.least_left_after_refund)
    return RefundQuote(amount, full=amount == payment.amount, payment_id=payment.id)
