"""What a payment system says of a refund lands here, and only here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from commands import facts
from commands.patience import UNRESOLVED_CASE_AFTER, after_silence, while_waiting
from commands.world import World
from domain.errors import NotFoundHere
from domain.events import Event, EventType
from domain.payment import Payment
from domain.payment_system import Cancellation, NotFound, ProviderStatus, RefundSnapshot, Refused, Silence
from domain.ports import LostRace, OpenUnitOfWork, UnitOfWork
from domain.refund import Refund, RefundStatus

RefundNews = RefundSnapshot | Refused | Silence | NotFound
_FINAL = {ProviderStatus.SUCCEEDED: RefundStatus.SUCCEEDED, ProviderStatus.CANCELED: RefundStatus.CANCELED}


@dataclass(frozen=True, slots=True)
class SettleRefund:
    """`news`: what was heard; NotFound means that the payment system never got the request and never will."""

    refund_id: UUID
    news: RefundNews


async def settle_refund(command: SettleRefund, open_uow: OpenUnitOfWork, world: World) -> Refund:
    """Apply the news once, in one transaction."""
    try:
        return await _settled(command, open_uow, world)
    except LostRace:
        if not isinstance(command.news, RefundSnapshot):
            raise
        return await _settled(command, open_uow, world, foreign=True)


async def _settled(command: SettleRefund, open_uow: OpenUnitOfWork, world: World, *, foreign: bool = False) -> Refund:
    """`foreign`: what it was answered with belongs to another refund, by the books."""
    async with open_uow() as uow:
        found = await uow.refunds.find(command.refund_id)
        if found is None:
            raise NotFoundHere("refund")
        await uow.lock_person(found.user_id)
        refund = await uow.refunds.lock(found.id)
        payment = await uow.payments.lock(found.payment_id)
        if refund is None or payment is None:
            raise NotFoundHere("refund")
        await _Settlement(refund, payment, uow, world, foreign=foreign).apply(command.news)
        return refund


class _Settlement:
    def __init__(self, refund: Refund, payment: Payment, uow: UnitOfWork, world: World, *, foreign: bool) -> None:
        self.refund, self.payment, self.uow, self.world, self.foreign = refund, payment, uow, world, foreign
        self.now = world.clock.now()

    async def apply(self, news: RefundNews) -> None:
        if isinstance(news, NotFound | Refused) and self.refund.provider_refund_id is not None:
            news = Silence("it is known there by its id, so a 'no' to the request says nothing of it")
        await self._apply(news)
        if not self.refund.is_open:
            await self.uow.cases.resolve("refund_unresolved", str(self.refund.id), self.now)

    async def _apply(self, news: RefundNews) -> None:
        match news:
            case Silence():
                await self._silence(news)
            case NotFound():
                if self.refund.is_open:
                    await self._canceled(Cancellation("rejected_by_timeout", "merchant"))
            case Refused(code=code, detail=detail):
                if self.refund.is_open:
                    await self._canceled(Cancellation(code, "merchant"), detail)
            case RefundSnapshot():
                await self._snapshot(news)

    async def _silence(self, news: Silence) -> None:
        refund = self.refund
        if not refund.is_open:
            return
        if refund.becomes_unknown(news.why):
            self._record(EventType.REFUND_UNKNOWN, {"refund_id": str(refund.id)})
        self._ask_again(after_silence(refund.id, refund.asks, news.retry_after_s))
        await self._case_in_time("The payment system has not said how this refund ended.")

    async def _case_in_time(self, detail: str) -> None:
        """What has not ended for days is shown to a person, be it silence or work that never ends; asking goes on."""
        if self.now - self.refund.created_at >= UNRESOLVED_CASE_AFTER:
            await self._case("refund_unresolved", detail)

    async def _snapshot(self, snapshot: RefundSnapshot) -> None:
        refund = self.refund
        if await self._contradicts(snapshot):
            await self._silence(Silence("what it answered with cannot be this refund"))
            return
        if not refund.is_open:
            said = _FINAL.get(snapshot.status)
            if said is not None and said is not refund.status:
                await self._case("refund_late_news", f"It ended as {refund.status} here, there as {snapshot.status}.")
            return
        refund.provider_refund_id = snapshot.provider_refund_id
        match snapshot.status:
            case ProviderStatus.PENDING:
                if refund.waits():
                    self._record(EventType.REFUND_PENDING, {"refund_id": str(refund.id)})
                self._ask_again(while_waiting(refund.id, refund.asks))
                await self._case_in_time("The payment system says that it is still at work on this refund.")
            case ProviderStatus.CANCELED:
                await self._canceled(snapshot.cancellation or Cancellation("unknown", "unknown"))
            case ProviderStatus.SUCCEEDED:
                await self._succeeded()

    async def _contradicts(self, snapshot: RefundSnapshot) -> bool:
        refund = self.refund
        wrong_payment = snapshot.provider_payment_id != self.payment.provider_payment_id
        if self.foreign or wrong_payment or snapshot.refund_id not in (None, refund.id):
            await self._case("refund_foreign", "The payment system answered with another refund's object.")
        elif refund.provider_refund_id not in (None, snapshot.provider_refund_id):
            await self._case("refund_doubled", "The payment system has two objects for this refund.")
        elif snapshot.amount != refund.amount and snapshot.status is not ProviderStatus.CANCELED:
            await self._case("refund_amount_differs", f"There it is over {snapshot.amount}.")
            if refund.is_open and snapshot.refund_id is not None:  # it is this one, and can be asked for by its id
                refund.provider_refund_id = snapshot.provider_refund_id
        else:
            return False
        return True

    async def _succeeded(self) -> None:
        refund, payment = self.refund, self.payment
        refund.succeed(self.now)
        payment.refund_reserved -= refund.amount.minor
        payment.refunded += refund.amount.minor
        self._record(EventType.REFUND_SUCCEEDED, await self._facts())
        if not refund.ends_subscription:
            return
        subscription = await self.uow.subscriptions.lock(refund.subscription_id)
        if subscription is None:
            raise NotFoundHere("subscription")
        subscription.refunding = False
        if not subscription.has_ended:
            subscription.end_as_canceled(self.now)
            plan = await self.uow.plans.by_id(subscription.plan_id)
            self._record(EventType.SUBSCRIPTION_CANCELED, facts.of_subscription(subscription, plan))

    async def _canceled(self, why: Cancellation, detail: str = "") -> None:
        """Nothing changes for the subscription; an administrator looks at it, and the person is told."""
        refund = self.refund
        refund.cancel(why, self.now)
        self.payment.refund_reserved -= refund.amount.minor
        if refund.ends_subscription:
            subscription = await self.uow.subscriptions.lock(refund.subscription_id)
            if subscription is not None:
                subscription.refunding = False
        await self._case("refund_canceled", f"The refund was canceled: {why.reason} ({why.party}). {detail}".strip())
        self._record(EventType.REFUND_FAILED, await self._facts())

    async def _facts(self) -> dict[str, object]:
        plan = await self.uow.plans.by_id(self.payment.plan_id)
        subscription = await self.uow.subscriptions.find(self.refund.subscription_id)
        ends = self.refund.ends_subscription and self.refund.status is RefundStatus.SUCCEEDED
        ended = ends or (subscription is not None and subscription.has_ended)
        return {**facts.of_refund(self.refund, self.payment, plan), "subscription_ended": ended}

    def _ask_again(self, after: timedelta) -> None:
        self.refund.ask_again(self.now, self.world.wall.now(), after)

    def _record(self, happened: EventType, told: dict[str, object]) -> None:
        refund = self.refund
        self.uow.record(
            Event(
                happened,
                self.now,
                refund.user_id,
                refund.subscription_id,
                payment_id=self.payment.id,
                refund_id=refund.id,
                data=told,
            )
        )

    async def _case(self, kind: str, detail: str) -> None:
        refund = self.refund
        await self.uow.cases.open(
            kind,
            str(refund.id),
            detail,
            self.now,
            user_id=refund.user_id,
            payment_id=refund.payment_id,
            refund_id=refund.id,
            facts={"status": refund.status.value, "amount": str(refund.amount), "last_silence": refund.last_silence},
        )
