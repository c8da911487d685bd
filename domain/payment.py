"""A payment: one try to collect money for one period of a subscription."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.errors import IllegalTransition
from domain.money import Money
from domain.payment_system import Cancellation
from domain.periods import Period


class PaymentKind(StrEnum):
    FIRST = "first"
    RENEWAL = "renewal"
    PLAN_CHANGE = "plan_change"
    BINDING = "binding"
    EXTERNAL = "external"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.UNKNOWN, PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED}),
    PaymentStatus.UNKNOWN: frozenset({PaymentStatus.PENDING, PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED}),
    PaymentStatus.SUCCEEDED: frozenset(),
    PaymentStatus.CANCELED: frozenset(),
}


class PaysWith(StrEnum):
    """The way of paying, without anything secret."""

    REDIRECT = "redirect"
    TOKEN = "token"  # noqa: S105 -- the name of a way of paying
    SAVED = "saved"
    CARD = "card"
    OUTSIDE = "outside"


PAID_OTHERWISE = 0
"""The `period_number` of a payment that was open when its period was paid by other money: it pays for none now."""


@dataclass(slots=True)
class Payment:
    """Written and committed before any payment system hears of it; its id is the idempotency key (invariant 1)."""

    id: UUID
    user_id: UUID
    subscription_id: UUID
    plan_id: UUID
    kind: PaymentKind
    attempt: int
    status: PaymentStatus
    amount: Money
    period_number: int
    description: str
    pays_with: PaysWith
    created_at: datetime
    payment_system: str | None
    credit: Money = field(default_factory=lambda: Money(0))  # of an earlier plan, which paid the rest of the price
    by_person: bool = True  # asked for by the person, not by the calendar
    return_url: str | None = None
    sealed_token: bytes | None = None
    card_id: UUID | None = None  # a stored card; the CVC that it is charged with is written nowhere
    payment_method_id: UUID | None = None
    provider_method_id: str | None = None
    provider_payment_id: str | None = None
    confirmation_url: str | None = None
    cancellation: Cancellation | None = None
    period: Period | None = None
    refunded: int = 0  # minor units, returned for certain
    refund_reserved: int = 0  # minor units, of refunds that may still succeed
    credited: int = 0  # minor units, which live on as credit since the plan was changed: they are not returned as well
    settled_at: datetime | None = None
    source: str | None = None
    reference: str | None = None
    asks: int = 0
    ask_again_at: datetime | None = None
    ask_again_by: datetime | None = None
    last_silence: str | None = None
    sent_by: datetime | None = None  # as the database's clock saw it written; None before it is
    key_lapsed: bool = False  # once seen as lapsed it is never sent again, whatever the clock says later
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    @property
    def begins_subscription(self) -> bool:
        """Without it there is no subscription: it pays the first period, or binds a method for a trial."""
        return self.kind in (PaymentKind.FIRST, PaymentKind.BINDING)

    @property
    def is_open(self) -> bool:
        return self.status in (PaymentStatus.PENDING, PaymentStatus.UNKNOWN)

    @property
    def waits_for_person(self) -> bool:
        """A payment page is open somewhere: the person may still pay, or leave."""
        return self.status is PaymentStatus.PENDING and self.confirmation_url is not None

    @property
    def left_to_refund(self) -> Money:
        """What could still be returned: captured, less all that is returned, on its way back or credit by now."""
        if self.status is not PaymentStatus.SUCCEEDED:
            return self.amount.zero()
        return Money(self.amount.minor - self.refunded - self.refund_reserved - self.credited, self.amount.currency)

    def returnable(self, wanted: Money, least_left: int) -> Money:
        """What goes back where `wanted` is asked for: the payment system keeps `least_left` of a payment, or nothing.

        What is credit by now stays there as well, and is never returned: where there is some, less goes back for the
        rest to be enough, maybe nothing; else all does. Shapes: `least_left` in minor units; more than
        `left_to_refund` is handed back as it is.
        """
        left = self.left_to_refund
        stays = left.minor + self.credited - wanted.minor
        if wanted.minor > left.minor or not 0 < stays < least_left:
            return wanted
        return Money(max(left.minor + self.credited - least_left, 0), left.currency) if self.credited else left

    def turn_into_credit(self, unused: Money) -> None:
        """The plan was changed, and this is what of the period was unused: money comes before credit used for it."""
        self.credited += min(unused, self.left_to_refund).minor

    def move(self, to: PaymentStatus) -> None:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"payment {self.id}: {self.status} → {to}")
        self.status = to

    def becomes_unknown(self, why: str) -> bool:
        """Nobody knows how it stands (invariant 4). True if that is news."""
        self.last_silence = why[:500]
        # A payment page that waits for its person keeps waiting: not hearing of it changes nothing.
        if self.status is PaymentStatus.UNKNOWN or self.waits_for_person:
            return False
        self.move(PaymentStatus.UNKNOWN)
        return True

    def waits(self, confirmation_url: str | None) -> bool:
        """The payment system has it and it has not ended. True if that is news."""
        confirmation_url = confirmation_url or self.confirmation_url  # an answer may leave it out
        changed = self.status is PaymentStatus.UNKNOWN or self.confirmation_url != confirmation_url
        if self.status is PaymentStatus.UNKNOWN:
            self.move(PaymentStatus.PENDING)
        self.confirmation_url = confirmation_url
        self.last_silence = None
        return changed

    def succeed(self, at: datetime) -> None:
        self.move(PaymentStatus.SUCCEEDED)
        self._end(at)

    def cancel(self, why: Cancellation, at: datetime) -> None:
        self.move(PaymentStatus.CANCELED)
        self.cancellation = why
        self._end(at)

    def ask_again(self, now: datetime, wall_now: datetime, after: timedelta) -> None:
        """When the janitor looks at it next: by the service's clock or by the wall's, whichever comes first.

        The wall's counts too, since a held clock would otherwise never bring the hour.
        """
        self.asks += 1
        self.ask_again_at, self.ask_again_by = now + after, wall_now + after

    def _end(self, at: datetime) -> None:
        self.settled_at = at
        self.confirmation_url = self.sealed_token = self.last_silence = None
        self.ask_again_at = self.ask_again_by = None
