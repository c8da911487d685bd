"""A payment system's notification: stored once and answered at once, believed later and never by itself (PAY-7)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from commands.book_cabinet_refund import NOT_YET, BookCabinetRefund, book_cabinet_refund
from commands.collect_payment import CollectPayment, collect_payment
from commands.send_refund import SendRefund, send_refund
from commands.settle_payment import SettlePayment, settle_payment
from commands.settle_refund import SettleRefund, settle_refund
from commands.world import World
from domain.payment import Payment
from domain.payment_system import NotFound, NotificationKind, PaymentSnapshot, RefundSnapshot, Silence
from domain.ports import InboxEntry, Intake, OpenUnitOfWork, PaymentSystem, ReceivedNotification, UnitOfWork
from domain.refund import Refund

TRIES = 12
_LONGEST_WAIT_S = 600
_PATIENCE = timedelta(days=3)
"""For so long nobody is bothered by what only takes time: an outage of the payment system, a refund under way."""
_LAG = timedelta(minutes=2)
"""For so long what is asked there may lag behind what was told; by then the janitor's own looks are enough."""
_READ_LAG = timedelta(seconds=30)
"""For so long what was told may not be there to be read; by then nobody knows it because it is forged."""
_NOT_THERE_YET = f"{NOT_YET}: the payment system does not know it"
SILENCE = "silence"
_NO_NEWS = "no news: it has ended so here, too"
"""Nothing of the notification is believed, so nobody has to be asked; most of them come to say this."""


@dataclass(frozen=True, slots=True)
class ReceiveNotification:
    payment_system: str
    kind: str
    event: str
    provider_object_id: str
    body: bytes


async def receive_notification(command: ReceiveNotification, intake: Intake) -> None:
    """Keep it as it came, each content once."""
    digest = hashlib.sha256(command.body).digest()
    body = command.body.decode("utf-8", "replace").replace("\x00", "")
    await intake.store(
        ReceivedNotification(
            command.payment_system, command.kind, command.event, command.provider_object_id, digest, body
        )
    )


@dataclass(frozen=True, slots=True)
class FollowNotification:
    entry_id: UUID


async def follow_notification(command: FollowNotification, open_uow: OpenUnitOfWork, world: World) -> str:
    """Fetch the object that the notification points at and settle what it says; returns what came of it."""
    async with open_uow() as uow:
        entry = await uow.inbox.lock(command.entry_id)
        if entry is None:
            return "done before"
        ours = await _what_it_is_about(entry, uow)
        if ours is not None and not ours.is_open and entry.event == f"{entry.kind}.{ours.status}":
            await uow.inbox.done(entry.id, _NO_NEWS)
            return _NO_NEWS
    try:
        outcome = await _follow(entry, ours, open_uow, world)
        takes_time, failed = outcome.startswith((SILENCE, NOT_YET)), False
    except Exception as error:  # noqa: BLE001 -- a poison entry is set aside with its reason; the sweep goes on
        outcome, takes_time, failed = f"{type(error).__name__}: {error}", False, True
    async with open_uow() as uow:
        if takes_time and ours is not None and await uow.inbox.another_waits(entry):
            await uow.inbox.done(entry.id, f"another about it waits already; {outcome}")
        elif takes_time and entry.age < _PATIENCE:
            await uow.inbox.wait(entry.id, outcome, _wait_s(entry, outcome))
        elif takes_time or failed:
            wait_s = min(2.0**entry.attempts, _LONGEST_WAIT_S)
            await uow.inbox.failed(entry.id, outcome, wait_s, set_aside=entry.attempts + 1 >= TRIES)
        else:
            await uow.inbox.done(entry.id, outcome)
    return outcome


def _wait_s(entry: InboxEntry, outcome: str) -> float:
    """Longer each time; for what nobody knows until it must be there, so that who invents it gets one more ask."""
    if outcome == _NOT_THERE_YET:
        return min(_READ_LAG - entry.age, _READ_LAG).total_seconds()
    return min(max(entry.age.total_seconds(), 1.0), _LONGEST_WAIT_S)


async def _what_it_is_about(entry: InboxEntry, uow: UnitOfWork) -> Payment | Refund | None:
    """Ours, where its id there is known here already."""
    if entry.kind in (NotificationKind.PAYMENT, NotificationKind.METHOD):  # a method that is bound is a payment of 0.00
        return await uow.payments.find_by_provider_id(entry.payment_system, entry.provider_object_id)
    if entry.kind == NotificationKind.REFUND:
        return await uow.refunds.find_by_provider_id(entry.payment_system, entry.provider_object_id)
    return None


async def _follow(entry: InboxEntry, ours: Payment | Refund | None, open_uow: OpenUnitOfWork, world: World) -> str:
    system = await world.payment_systems.by_code(entry.payment_system)
    match ours:
        case Payment(is_open=True):
            return _asked(await collect_payment(CollectPayment(ours.id), open_uow, world), entry)
        case Refund(is_open=True):
            return _asked(await send_refund(SendRefund(ours.id), open_uow, world), entry)
    if entry.kind == NotificationKind.PAYMENT:
        return await _look_into_payment(entry, system, open_uow, world)
    if entry.kind == NotificationKind.REFUND:
        return await _look_into_refund(entry, system, open_uow, world)
    return "nothing waits for this"


def _asked(ours: Payment | Refund, entry: InboxEntry) -> str:
    """Something has happened to it, so it is asked again soon where nothing of that was to be heard."""
    if ours.is_open and ours.last_silence is not None:
        return f"{SILENCE}: {ours.last_silence}"
    if ours.is_open and entry.age < _LAG:
        return f"{NOT_YET}: it is {ours.status} there"
    return "asked"


def _unknown(entry: InboxEntry, what: str) -> str:
    return _NOT_THERE_YET if entry.age < _READ_LAG else f"forged: the payment system has no such {what}"


async def _look_into_payment(entry: InboxEntry, system: PaymentSystem, open_uow: OpenUnitOfWork, world: World) -> str:
    news = await system.get_payment(entry.provider_object_id)
    match news:
        case Silence(why=why):
            return f"{SILENCE}: {why}"
        case NotFound():
            return _unknown(entry, "payment")
        case PaymentSnapshot(payment_id=None):
            return "not ours: it carries no payment of this service"
        case PaymentSnapshot(payment_id=payment_id) if payment_id is not None:
            async with open_uow() as uow:
                ours = await uow.payments.find(payment_id)
            if ours is None or ours.payment_system != entry.payment_system:
                return "not ours: there is no such payment"
            await settle_payment(SettlePayment(payment_id, news), open_uow, world)
    return "settled"


async def _look_into_refund(entry: InboxEntry, system: PaymentSystem, open_uow: OpenUnitOfWork, world: World) -> str:
    news = await system.get_refund(entry.provider_object_id)
    match news:
        case Silence(why=why):
            return f"{SILENCE}: {why}"
        case NotFound():
            return _unknown(entry, "refund")
        case RefundSnapshot(refund_id=None):
            return await book_cabinet_refund(BookCabinetRefund(entry.payment_system, news), open_uow, world)
        case RefundSnapshot(refund_id=refund_id) if refund_id is not None:
            async with open_uow() as uow:
                ours = await uow.refunds.find(refund_id)
            if ours is None or ours.payment_system != entry.payment_system:
                return await book_cabinet_refund(BookCabinetRefund(entry.payment_system, news), open_uow, world)
            await settle_refund(SettleRefund(refund_id, news), open_uow, world)
    return "settled"
