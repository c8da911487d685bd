"""What a payment system says of a payment lands here, and only here: answer, webhook, poll and janitor alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from commands import facts
from commands.change_plan import still_stands
from commands.patience import UNRESOLVED_CASE_AFTER, after_silence, age_of, while_waiting
from commands.return_late_money import return_late_money
from commands.save_payment_method import save_payment_method
from commands.world import World
from domain.cancellation_reasons import FORBIDDEN, NEVER_ARRIVED, RetryAdvice, advice_for
from domain.dunning import AskThePerson, GiveUp, TryAgain
from domain.errors import NotFoundHere
from domain.events import Event, EventType
from domain.payment import Payment, PaymentKind, PaymentStatus, PaysWith
from domain.payment_system import (
    Cancellation,
    NotFound,
    PaymentSnapshot,
    ProviderStatus,
    Refused,
    Silence,
)
from domain.periods import Period
from domain.plan import Plan
from domain.ports import LostRace, OpenUnitOfWork, UnitOfWork
from domain.subscription import Subscription, SubscriptionStatus

News = PaymentSnapshot | Refused | Silence | NotFound
_FINAL = {ProviderStatus.SUCCEEDED: PaymentStatus.SUCCEEDED, ProviderStatus.CANCELED: PaymentStatus.CANCELED}


@dataclass(frozen=True, slots=True)
class SettlePayment:
    """`news`: what was heard; NotFound means that the payment system never got the request and never will."""

    payment_id: UUID
    news: News


@dataclass(frozen=True, slots=True)
class Collected:
    """The command's outcome: what callers are shown."""

    subscription_id: UUID
    payment_id: UUID


async def settle_payment(command: SettlePayment, open_uow: OpenUnitOfWork, world: World) -> Payment:
    """Apply the news once, in one transaction; news that changes nothing is harmless however often it comes."""
    try:
        return await _settled(command, open_uow, world)
    except LostRace:
        if not isinstance(command.news, PaymentSnapshot):
            raise
        return await _settled(command, open_uow, world, foreign=True)


async def _settled(command: SettlePayment, open_uow: OpenUnitOfWork, world: World, *, foreign: bool = False) -> Payment:
    """`foreign`: what it was answered with belongs to another payment, by the books."""
    async with open_uow() as uow:
        found = await uow.payments.find(command.payment_id)
        if found is None:
            raise NotFoundHere("payment")
        await uow.lock_person(found.user_id)
        payment = await uow.payments.lock(command.payment_id)
        if payment is None:
            raise NotFoundHere("payment")
        await _Settlement(payment, uow, world, foreign=foreign).apply(command.news)
        uow.conclude(Collected(payment.subscription_id, payment.id))
        return payment


class _Settlement:
    def __init__(self, payment: Payment, uow: UnitOfWork, world: World, *, foreign: bool) -> None:
        self.payment, self.uow, self.world, self.foreign = payment, uow, world, foreign
        self.now = world.clock.now()

    async def apply(self, news: News) -> None:
        if isinstance(news, NotFound | Refused) and self.payment.provider_payment_id is not None:
            news = Silence("it is known there by its id, so a 'no' to the request says nothing of it")
        await self._apply(news)
        if not self.payment.is_open:
            await self.uow.cases.resolve("payment_unresolved", str(self.payment.id), self.now, "payment_needs_capture")

    async def _apply(self, news: News) -> None:
        match news:
            case Silence():
                await self._silence(news)
            case NotFound():
                if self.payment.is_open:
                    await self._never_received()
            case Refused(code=code, detail=detail):
                if self.payment.is_open:
                    await self._canceled(Cancellation(code, "merchant"), detail)
            case PaymentSnapshot():
                await self._snapshot(news)

    async def _silence(self, news: Silence) -> None:
        payment = self.payment
        if not payment.is_open:
            return
        if payment.becomes_unknown(news.why):
            self._record(EventType.PAYMENT_UNKNOWN, {"payment_id": str(payment.id)})
        self._ask_again(after_silence(payment.id, payment.asks, news.retry_after_s))
        await self._case_in_time("The payment system has not said how this payment ended.")

    async def _case_in_time(self, detail: str) -> None:
        """What has not ended for days is shown to a person, be it silence or work that never ends; asking goes on."""
        if age_of(self.payment, self.world) >= UNRESOLVED_CASE_AFTER:
            await self._case("payment_unresolved", detail)

    async def _snapshot(self, snapshot: PaymentSnapshot) -> None:
        payment = self.payment
        if await self._contradicts(snapshot):
            await self._silence(Silence("what it answered with cannot be this payment"))
            return
        if not payment.is_open:
            await self._late_news(snapshot)
            return
        payment.provider_payment_id = snapshot.provider_payment_id
        match snapshot.status:
            case ProviderStatus.PENDING:
                if payment.waits(snapshot.confirmation_url):
                    self._record(EventType.PAYMENT_PENDING, {"payment_id": str(payment.id)})
                if snapshot.needs_capture:
                    await self._case("payment_needs_capture", "The money is held there, and nobody takes it.", snapshot)
                self._ask_again(while_waiting(payment.id, payment.asks))
                await self._case_in_time("The payment system says that it is still at work on this payment.")
            case ProviderStatus.CANCELED:
                await self._canceled(snapshot.cancellation or self._unsaid())
            case ProviderStatus.SUCCEEDED:
                await self._succeeded(snapshot)

    def _unsaid(self) -> Cancellation:
        """Of a binding that comes to nothing YooKassa tells no reason (SavePaymentMethod): nobody has confirmed it."""
        if self.payment.kind is PaymentKind.BINDING:
            return Cancellation("expired_on_confirmation", "yoo_money")
        return Cancellation("unknown", "unknown")

    async def _contradicts(self, snapshot: PaymentSnapshot) -> bool:
        """News that cannot be about this payment is shown to a person and changes nothing (invariants 5 and 6)."""
        payment = self.payment
        if self.foreign or snapshot.payment_id not in (None, payment.id):
            await self._case("payment_foreign", "The payment system answered with another payment's object.", snapshot)
        elif payment.provider_payment_id not in (None, snapshot.provider_payment_id):
            await self._case("payment_doubled", "The payment system has two objects for this payment.", snapshot)
        elif snapshot.amount != payment.amount and snapshot.status is not ProviderStatus.CANCELED:
            await self._case("payment_amount_differs", f"There it is over {snapshot.amount}.", snapshot)
            if payment.is_open and snapshot.payment_id is not None:  # it is this one, and can be asked for by its id
                payment.provider_payment_id = snapshot.provider_payment_id
        else:
            return False
        return True

    async def _late_news(self, snapshot: PaymentSnapshot) -> None:
        """A final state never changes; what speaks against it is recorded and flagged (invariant 6)."""
        said = _FINAL.get(snapshot.status)
        if said is not None and said is not self.payment.status:
            detail = f"It ended as {self.payment.status} here; the payment system says {snapshot.status}."
            await self._case("payment_late_news", detail, snapshot)

    async def _succeeded(self, snapshot: PaymentSnapshot) -> None:
        payment, uow = self.payment, self.uow
        subscription, plan = await self._subscription()
        payment.succeed(self.now)
        method = await save_payment_method(payment, snapshot.method, uow, self.world)
        if await self._comes_too_late(subscription):
            told = {**facts.of_payment(payment, plan), "quiet": True}  # the refund's own mail tells of both
            self._record(EventType.PAYMENT_SUCCEEDED, told)
            if payment.amount.minor:
                await return_late_money(payment, plan, uow, self.world)
            return
        if method is not None:
            subscription.payment_method_id = method
            subscription.payment_system = payment.payment_system or subscription.payment_system
        if payment.kind is PaymentKind.PLAN_CHANGE:
            await self._turn_into_credit(subscription)
        had_another_plan = subscription.plan_id != plan.id
        happened, payment.period = self._begin_period(subscription, plan)
        self._record(EventType.PAYMENT_SUCCEEDED, facts.of_payment(payment, plan))
        trial = happened is EventType.SUBSCRIPTION_TRIAL_STARTED
        told = facts.of_trial(subscription, plan) if trial else facts.of_subscription(subscription, plan)
        if had_another_plan and happened is EventType.SUBSCRIPTION_RENEWED:  # as the person had planned
            self._record(EventType.SUBSCRIPTION_PLAN_CHANGED, {**told, "quiet": True})
        self._record(happened, told)

    async def _turn_into_credit(self, subscription: Subscription) -> None:
        """Where the credit comes from that pays a part of the new plan; the rest of it was credit before."""
        paid = await self.uow.payments.of_current_period(subscription.id, subscription.period_number)
        if paid is not None:
            paid.turn_into_credit(self.payment.credit - subscription.balance)

    def _begin_period(self, subscription: Subscription, plan: Plan) -> tuple[EventType, Period]:
        rules, credit = self.world.rules, self.payment.credit
        if self.payment.kind is PaymentKind.BINDING:
            period = subscription.begin_trial(self.now, plan.trial_days, rules)
            return EventType.SUBSCRIPTION_TRIAL_STARTED, period
        if subscription.status is SubscriptionStatus.PENDING:
            return EventType.SUBSCRIPTION_ACTIVATED, subscription.activate(self.now, rules)
        if self.payment.kind is PaymentKind.PLAN_CHANGE:  # all credit was used before any money was asked for
            period = subscription.change_plan(plan, self.now, credit, credit.zero(), rules)
            return EventType.SUBSCRIPTION_PLAN_CHANGED, period
        return EventType.SUBSCRIPTION_RENEWED, subscription.renew(self.now, rules, plan, credit)

    async def _comes_too_late(self, subscription: Subscription) -> bool:
        """Its subscription has ended, is ending, or is being refunded, or was paid otherwise: it goes back in full.

        So does money for a change of plan that cannot be made any more.
        """
        if not subscription.waits_for(self.payment.period_number):
            return True
        if self.payment.begins_subscription:
            return subscription.status is not SubscriptionStatus.PENDING
        if not subscription.goes_on:
            return True
        return self.payment.kind is PaymentKind.PLAN_CHANGE and not await still_stands(
            self.payment, subscription, self.uow
        )

    async def _canceled(self, why: Cancellation, detail: str = "") -> None:
        subscription, plan = await self._subscription()
        self.payment.cancel(why, self.now)
        told = facts.of_payment(self.payment, plan)
        one_for_all = why.reason if self.payment.by_person else None
        if advice_for(why.reason) is RetryAdvice.UNKNOWN:
            words = f"It was canceled for {why.reason!r}, which nobody here knows. {self._without_secrets(detail)}"
            await self._case("payment_reason_unknown", words.strip(), subject=one_for_all)
        elif why.reason == FORBIDDEN:
            words = "The payment system says that the shop may not charge like that."
            await self._case("payment_forbidden", words, subject=one_for_all)
        changes_plan = self.payment.kind is PaymentKind.PLAN_CHANGE  # whose person waits for it, whatever else was paid
        if not changes_plan and not subscription.waits_for(self.payment.period_number):  # paid otherwise: not missed
            self._record(EventType.PAYMENT_FAILED, {**told, "quiet": True})
        elif self.payment.begins_subscription:
            if subscription.status is SubscriptionStatus.PENDING:
                subscription.expire(self.now)
                self._record(EventType.PAYMENT_FAILED, told)
                self._record(EventType.SUBSCRIPTION_EXPIRED, facts.of_subscription(subscription, plan))
            else:  # the person had canceled it meanwhile: they know
                self._record(EventType.PAYMENT_FAILED, {**told, "quiet": True})
        elif self.payment.by_person:
            owes = subscription.goes_on or changes_plan  # who has ended it meanwhile does not
            self._record(EventType.PAYMENT_FAILED, told if owes else {**told, "quiet": True})
        else:
            own_plan = plan if subscription.plan_id == plan.id else await self.uow.plans.by_id(subscription.plan_id)
            self._renewal_refused(subscription, own_plan, why, told)

    def _without_secrets(self, words: str) -> str:
        """What a payment system says of a request that held a card or a one-time token might repeat it."""
        return words if self.payment.pays_with in (PaysWith.SAVED, PaysWith.REDIRECT) else ""

    async def _never_received(self) -> None:
        """No bank has refused anything: a renewal stays due and is made anew, under a new key, without dunning."""
        by_card = self.payment.pays_with is PaysWith.CARD  # by then nobody has its CVC
        why = Cancellation(NEVER_ARRIVED if by_card else "internal_timeout", "merchant")
        if self.payment.begins_subscription or self.payment.by_person:
            await self._canceled(why)
            return
        _, plan = await self._subscription()
        self.payment.cancel(why, self.now)
        self._record(EventType.PAYMENT_FAILED, {**facts.of_payment(self.payment, plan), "quiet": True})

    def _renewal_refused(
        self, subscription: Subscription, plan: Plan, why: Cancellation, told: dict[str, object]
    ) -> None:
        """Dunning tells its start and its end, and when it comes to need the person; not each try (invariant 10)."""
        early = subscription.tries_early(self.payment.created_at)
        if early or not subscription.goes_on:
            self._record(EventType.PAYMENT_FAILED, {**told, "quiet": True})
            return
        at_first = subscription.first_failed_at is None
        verdict = subscription.renewal_refused(why.reason, self.payment.created_at, self.now, self.world.rules)
        told = {**told, **facts.of_access(subscription, self.now, self.world.rules)}
        match verdict:
            case TryAgain(at=next_try_at):
                told["next_try_at"] = facts.moment(next_try_at)
                self._record(EventType.PAYMENT_FAILED, {**told, "quiet": not at_first})
            case AskThePerson(until=until):
                told["pay_until"] = facts.moment(until)
                self._record(EventType.PAYMENT_FAILED, told)
            case GiveUp():
                self._record(EventType.PAYMENT_FAILED, told)
                self._record(EventType.SUBSCRIPTION_EXPIRED, facts.of_subscription(subscription, plan))
        if at_first and not subscription.has_ended:
            self._record(EventType.SUBSCRIPTION_PAST_DUE, facts.of_subscription(subscription, plan))

    async def _subscription(self) -> tuple[Subscription, Plan]:
        """Lock it and free it for the next payment, as this one ends now; and the plan that this one is for."""
        subscription = await self.uow.subscriptions.lock(self.payment.subscription_id)
        if subscription is None:
            raise NotFoundHere("subscription")
        if subscription.open_payment_id == self.payment.id:
            subscription.open_payment_id = None
        return subscription, await self.uow.plans.by_id(self.payment.plan_id)

    def _ask_again(self, after: timedelta) -> None:
        self.payment.ask_again(self.now, self.world.wall.now(), after)

    def _record(self, happened: EventType, told: dict[str, object]) -> None:
        payment = self.payment
        self.uow.record(
            Event(happened, self.now, payment.user_id, payment.subscription_id, payment_id=payment.id, data=told)
        )

    async def _case(
        self, kind: str, detail: str, snapshot: PaymentSnapshot | None = None, *, subject: str | None = None
    ) -> None:
        """`subject`: what one case is enough for, where a person could bring about as many as they like."""
        payment = self.payment
        known: dict[str, object] = {"status": payment.status.value, "last_silence": payment.last_silence}
        if snapshot is not None:
            known |= {"provider_payment_id": snapshot.provider_payment_id, "provider_status": snapshot.status.value}
        await self.uow.cases.open(
            kind,
            subject or str(payment.id),
            detail,
            self.now,
            user_id=payment.user_id,
            payment_id=payment.id,
            facts=known,
        )
