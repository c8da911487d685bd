"""A subscription: what one person has of one plan, from wish to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.dunning import AskThePerson, GiveUp, TryAgain, after_refusal
from domain.errors import IllegalTransition, NotCancelable, NotResumable
from domain.money import Money
from domain.periods import Anchor, Period, PeriodLength, PeriodUnit
from domain.plan import Plan
from domain.rules import Rules


class SubscriptionStatus(StrEnum):
    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    EXPIRED = "expired"


ENDED = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.EXPIRED})

TRANSITIONS: dict[SubscriptionStatus, frozenset[SubscriptionStatus]] = {
    SubscriptionStatus.PENDING: ENDED | {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE},
    SubscriptionStatus.TRIALING: ENDED | {SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE},
    SubscriptionStatus.ACTIVE: ENDED | {SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE},
    SubscriptionStatus.PAST_DUE: ENDED | {SubscriptionStatus.ACTIVE},
    SubscriptionStatus.CANCELED: frozenset(),
    SubscriptionStatus.EXPIRED: frozenset(),
}


class CancelWhen(StrEnum):
    PERIOD_END = "period_end"
    NOW = "now"


@dataclass(slots=True)
class Subscription:
    """One person's subscription to one plan.

    Three instants say what time will bring: `next_charge_at` (a renewal or a retry), `remind_at`
    (tell of the charge), `end_at` (end it unpaid). Each is NULL where nothing is due.
    """

    id: UUID
    user_id: UUID
    plan_id: UUID
    plan_code: str
    length: PeriodLength
    status: SubscriptionStatus
    zone: str
    payment_system: str
    created_at: datetime
    period_number: int = 0  # of the period that is paid, or is being paid first
    period: Period | None = None
    anchor_at: datetime | None = None
    payment_method_id: UUID | None = None
    cancel_at_period_end: bool = False
    next_charge_at: datetime | None = None
    remind_at: datetime | None = None
    end_at: datetime | None = None
    open_payment_id: UUID | None = None
    refunding: bool = False  # a refund that ends it is under way: until then nothing is charged
    first_failed_at: datetime | None = None
    failed_tries: int = 0
    balance: Money = field(default_factory=lambda: Money(0))  # credit that lowers the next charges
    period_credit: Money = field(default_factory=lambda: Money(0))  # what of it paid for the current period
    next_plan_id: UUID | None = None  # from the next period on
    trial_plan_id: UUID | None = None  # whose trial it began with: each person has one of a plan
    ended_at: datetime | None = None
    cancel_reason: str | None = field(default=None, repr=False)  # in the person's own words, which can be erased
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_running(self) -> bool:
        return self.status in (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)

    def access_until(self, rules: Rules) -> datetime | None:
        """When access ends if nothing more is paid: the grace included, where no cancellation was planned."""
        if not self.is_running or self.period is None:
            return None
        return self.period.end if self.cancel_at_period_end else self.period.end + rules.grace

    @property
    def goes_on(self) -> bool:
        """Whether a next period is to follow: it runs, is not going to end, and no refund that ends it is under way."""
        return self.is_running and not self.cancel_at_period_end and not self.refunding

    @property
    def renews_to(self) -> UUID:
        """The plan that its next period is charged for."""
        return self.next_plan_id or self.plan_id

    def waits_for(self, period_number: int) -> bool:
        """Whether a payment for that period would pay the next one; not where the period was paid otherwise."""
        return period_number == self.period_number + 1

    # --- paid ----------------------------------------------------------------------------------
    def activate(self, at: datetime, rules: Rules) -> Period:
        """The first payment has settled: the first period begins now."""
        return self._begin_period(at, anchor_at=at, rules=rules)

    def begin_trial(self, at: datetime, days: int, rules: Rules) -> Period:
        """A method was bound without a charge: the trial begins now, and what is paid for begins at its end."""
        self._move(SubscriptionStatus.TRIALING)
        self.period = Anchor(at, self.zone).period_from(at, PeriodLength(PeriodUnit.DAY, days))
        self.anchor_at = self.period.end
        self.period_number += 1
        self.trial_plan_id = self.plan_id
        self.plan_charges(rules)
        return self.period

    def renew(self, at: datetime, rules: Rules, plan: Plan | None = None, credit: Money | None = None) -> Period:
        """A later period was paid: it joins the last one, or begins now if that was out of its grace, or would be over.

        `plan`: the one that it was paid for, where that is not the present one; `credit`: what of the balance paid it.
        """
        period, anchor_at = self._standing_period()
        start = period.end
        if at >= period.end + rules.grace:
            start = anchor_at = at
        if plan is not None and plan.id != self.plan_id:
            if plan.period != self.length:  # its periods are counted from its own beginning
                anchor_at = start
            self._take(plan)
        if Anchor(anchor_at, self.zone).period_from(start, self.length).end <= at:
            start = anchor_at = at  # a period of days that would be over: however long a downtime was, one charge
        if credit is not None:
            self.balance = self.balance - credit
        return self._begin_period(start, anchor_at, rules, credit)

    def change_plan(self, plan: Plan, at: datetime, credit: Money, balance: Money, rules: Rules) -> Period:
        """The full period of another plan begins now; `credit` paid for it, and `balance` is left."""
        self._take(plan)
        self.balance = balance
        return self._begin_period(at, anchor_at=at, rules=rules, credit=credit)

    def _take(self, plan: Plan) -> None:
        self.plan_id, self.plan_code, self.length = plan.id, plan.code, plan.period
        self.next_plan_id = None

    def _begin_period(self, start: datetime, anchor_at: datetime, rules: Rules, credit: Money | None = None) -> Period:
        self._move(SubscriptionStatus.ACTIVE)
        self.period_credit = credit or self.balance.zero()
        self.period = Anchor(anchor_at, self.zone).period_from(start, self.length)
        self.anchor_at = anchor_at
        self.period_number += 1
        self.first_failed_at, self.failed_tries = None, 0
        self.plan_charges(rules)
        return self.period

    def plan_charges(self, rules: Rules) -> None:
        """Set what time will bring: a charge with its reminder, or, without a method to charge, the end."""
        period, _ = self._standing_period()
        self.next_charge_at = self.remind_at = self.end_at = None
        if self.cancel_at_period_end:
            self.end_at = period.end
        elif self.payment_method_id is None:
            self.end_at = period.end  # there the person is asked for a method, see `lacks_method`
        else:
            self.next_charge_at = period.end
            reminder = period.end - rules.reminder
            self.remind_at = reminder if reminder > period.start else None

    # --- not paid ------------------------------------------------------------------------------
    def renewal_refused(
        self, reason: str, tried_at: datetime, at: datetime, rules: Rules
    ) -> TryAgain | AskThePerson | GiveUp:
        """A renewal that was tried at `tried_at` was refused: past due, and what comes next by the rules of dunning."""
        if self.status is not SubscriptionStatus.PAST_DUE:
            self._move(SubscriptionStatus.PAST_DUE)
        if self.first_failed_at is None:
            self.first_failed_at = at
        else:
            self.failed_tries += 1
        verdict: TryAgain | AskThePerson | GiveUp
        if self.payment_method_id is None:  # its owner removed it while the charge was under way
            verdict = AskThePerson(until=at + rules.patience_after_asking)
        else:
            verdict = after_refusal(reason, self.first_failed_at, self.failed_tries, tried_at, at, rules)
        self.next_charge_at = self.remind_at = self.end_at = None
        match verdict:
            case TryAgain(at=next_try_at):
                self.next_charge_at = next_try_at
            case AskThePerson(until=until):
                self.end_at = until
            case GiveUp():
                self.expire(at)
        return verdict

    def tries_early(self, tried_at: datetime) -> bool:
        """Whether a charge made then stands beside the planned tries; where it is refused they are made as promised."""
        planned = self.next_charge_at if self.status is SubscriptionStatus.PAST_DUE else None
        return planned is not None and tried_at < planned

    def lacks_method(self, at: datetime, rules: Rules) -> None:
        """The period is over and there is nothing to charge: the person is asked, and then it expires."""
        if self.status is not SubscriptionStatus.PAST_DUE:
            self._move(SubscriptionStatus.PAST_DUE)
        self.first_failed_at = self.first_failed_at or at
        self.next_charge_at = self.remind_at = None
        self.end_at = at + rules.patience_after_asking

    def lose_method(self, rules: Rules) -> bool:
        """Its owner removed the method: nothing is charged to it any more. True where no charge can be tried any more.

        The person has to be asked then, unless credit pays by now. Who was asked before keeps the days that they were
        given. What is under way is waited for: it may pay, or its end asks the person, or the next try does, which
        finds nothing to charge.
        """
        self.payment_method_id = None
        if self.status is SubscriptionStatus.PAST_DUE:
            return self.next_charge_at is not None and self.open_payment_id is None and not self.refunding
        if self.is_running:
            self.plan_charges(rules)
        return False

    def expire(self, at: datetime) -> None:
        """It ends for lack of money."""
        self._end(SubscriptionStatus.EXPIRED, at)

    # --- canceled ------------------------------------------------------------------------------
    def cancel(self, when: CancelWhen, at: datetime) -> bool:
        """End it at its period's end or now (SUB-3). False if that was so already."""
        if self.has_ended:
            raise NotCancelable("The subscription has ended.")
        if when is CancelWhen.NOW:
            self._end(SubscriptionStatus.CANCELED, at)
            return True
        if not self.is_running or self.period is None:
            raise NotCancelable("The subscription has not begun: it can be canceled now, not at a period's end.")
        if self.cancel_at_period_end:
            return False
        if self.period.end <= at:
            self._end(SubscriptionStatus.CANCELED, at)
            return True
        self.cancel_at_period_end = True
        self.next_charge_at = self.remind_at = None
        self.end_at = self.period.end
        return True

    def resume(self, at: datetime, rules: Rules) -> None:
        """Take a planned cancellation back; not once its period is over, for nobody pays for days without access."""
        if self.has_ended or not self.cancel_at_period_end:
            raise NotResumable("No cancellation is planned.")
        if self.period is not None and self.period.end <= at:
            raise NotResumable("The cancellation has come: the period is over.")
        self.cancel_at_period_end, self.cancel_reason = False, None
        self.plan_charges(rules)

    def end_as_canceled(self, at: datetime) -> None:
        """Its planned cancellation has come, or its money was returned."""
        self._end(SubscriptionStatus.CANCELED, at)

    def _end(self, status: SubscriptionStatus, at: datetime) -> None:
        self._move(status)
        self.ended_at = at
        self.next_charge_at = self.remind_at = self.end_at = None

    def _move(self, to: SubscriptionStatus) -> None:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"subscription {self.id}: {self.status} → {to}")
        self.status = to

    def _standing_period(self) -> tuple[Period, datetime]:
        if self.period is None or self.anchor_at is None:
            raise IllegalTransition(f"subscription {self.id} has no period yet")
        return self.period, self.anchor_at
