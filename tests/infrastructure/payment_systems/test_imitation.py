"""The imitation beyond what every payment system does: card data, faults on demand, the same run each time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.money import Money
from domain.payment_system import (
    Cancellation,
    CardData,
    NotificationKind,
    PaymentSnapshot,
    ProviderStatus,
    Refused,
    Saved,
    Silence,
)
from infrastructure.payment_systems.imitation import Imitation
from tests.infrastructure.payment_systems.samples import RETURN_URL, binding, charge, refund
from tests.infrastructure.payment_systems.worlds import MovableClock

GOOD = "5555555555554444"
ASKING = "5555555555554477"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def imitation(clock: MovableClock) -> Imitation:
    return Imitation(clock)


def card(number: str, year: int = 2030, *, back: bool = False) -> CardData:
    return CardData(number, 12, year, "123", return_url=RETURN_URL if back else None)


async def made(imitation: Imitation, instrument: CardData | Saved) -> PaymentSnapshot:
    answer = await imitation.create_payment(charge(instrument))
    assert isinstance(answer, PaymentSnapshot)
    return answer


async def test_a_card_pays_and_is_saved_without_showing_its_number(imitation: Imitation) -> None:
    paid = await made(imitation, card(GOOD))
    assert paid.status is ProviderStatus.SUCCEEDED
    assert paid.method is not None
    assert paid.method.saved
    again = await made(imitation, Saved(paid.method.provider_method_id))
    assert again.status is ProviderStatus.SUCCEEDED
    for shown in (repr(paid), repr(vars(imitation)), repr(imitation.payments()), str(paid.raw)):
        assert GOOD not in shown


async def test_a_card_that_asks_the_person_waits_where_there_is_a_way_back(imitation: Imitation) -> None:
    waiting = await made(imitation, card(ASKING, back=True))
    assert waiting.status is ProviderStatus.PENDING
    assert imitation.pay(waiting.provider_payment_id, ASKING).status is ProviderStatus.SUCCEEDED
    assert (await made(imitation, card(ASKING))).status is ProviderStatus.SUCCEEDED


async def test_an_expired_card_and_an_unknown_number_are_declined(imitation: Imitation) -> None:
    expired = await made(imitation, card(GOOD, 2025))
    assert expired.cancellation == Cancellation("card_expired", "payment_network")
    unknown = await made(imitation, card("4242424242424242"))
    assert unknown.cancellation == Cancellation("invalid_card_number", "payment_network")


async def test_a_revoked_permission_stops_the_saved_method(imitation: Imitation) -> None:
    paid = await made(imitation, card(GOOD))
    assert paid.method is not None
    imitation.revoke(paid.method.provider_method_id)
    declined = await made(imitation, Saved(paid.method.provider_method_id))
    assert declined.cancellation == Cancellation("permission_revoked", "yoo_money")


async def test_who_leaves_the_page_has_not_paid(imitation: Imitation) -> None:
    waiting = await imitation.create_payment(charge())
    assert isinstance(waiting, PaymentSnapshot)
    left = imitation.leave(waiting.provider_payment_id)
    assert left.cancellation == Cancellation("expired_on_confirmation", "yoo_money")
    with pytest.raises(ValueError, match="final"):
        imitation.pay(waiting.provider_payment_id)


async def test_faults_happen_once_each_in_their_order(imitation: Imitation) -> None:
    script = imitation.on("create_payment")
    script.say_nothing_before(retry_after_s=2)
    script.refuse("forbidden", "not today")
    script.charge_and_say_nothing()
    script.lie(lambda answer: replace(answer, amount=Money(1)))
    answers = [await imitation.create_payment(charge(card(GOOD))) for _ in range(5)]
    assert answers[0] == Silence("no answer arrived", 2)
    assert answers[1] == Refused("forbidden", "not today")
    assert isinstance(answers[2], Silence)
    assert isinstance(answers[3], PaymentSnapshot)
    assert answers[3].amount == Money(1)
    assert isinstance(answers[4], PaymentSnapshot)
    assert len(imitation.payments()) == 3, "the lost answer was a charge, the other silence was none"


async def test_a_held_call_has_done_nothing_yet(imitation: Imitation) -> None:
    gate = asyncio.Event()
    imitation.on("create_payment").hold(gate)
    waiting = asyncio.create_task(imitation.create_payment(charge(card(GOOD))))
    await asyncio.sleep(0)
    assert imitation.payments() == []
    gate.set()
    assert isinstance(await waiting, PaymentSnapshot)


async def test_a_charge_left_pending_is_decided_later(imitation: Imitation) -> None:
    imitation.on("create_payment").leave_pending(times=2)
    first, second = await made(imitation, card(GOOD)), await made(imitation, card(GOOD))
    assert first.status is second.status is ProviderStatus.PENDING
    assert imitation.finish(first.provider_payment_id).status is ProviderStatus.SUCCEEDED
    why = Cancellation("internal_timeout", "yoo_money")
    assert imitation.finish(second.provider_payment_id, canceled=why).cancellation == why


async def test_a_call_that_does_not_exist_can_not_be_scripted(imitation: Imitation) -> None:
    with pytest.raises(ValueError, match="no create_paymnet"):
        imitation.on("create_paymnet")


async def test_the_same_seed_makes_the_same_ids(clock: MovableClock) -> None:
    runs = [Imitation(clock, seed=seed) for seed in ("a", "a", "b")]
    ids = [[(await made(run, card(GOOD))).provider_payment_id for _ in range(3)] for run in runs]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(each) == 36 for each in ids[0])


async def test_three_years_later_nothing_is_refunded(imitation: Imitation, clock: MovableClock) -> None:
    request = charge(card(GOOD))
    paid = await imitation.create_payment(request)
    assert isinstance(paid, PaymentSnapshot)
    clock.advance(timedelta(days=3 * 365 + 1))
    assert isinstance(await imitation.create_refund(refund(request, paid.provider_payment_id)), Refused)


async def test_it_notifies_as_yookassa_does(imitation: Imitation) -> None:
    paid = await made(imitation, card(GOOD))
    read = imitation.parse_notification(imitation.notification_of(paid.provider_payment_id))
    assert (read.kind, read.event) == (NotificationKind.PAYMENT, "payment.succeeded")
    bound = await imitation.create_binding(binding())
    assert isinstance(bound, PaymentSnapshot)
    read = imitation.parse_notification(imitation.notification_of(bound.provider_payment_id))
    assert (read.kind, read.provider_object_id) == (NotificationKind.METHOD, bound.provider_payment_id)
    assert imitation.is_sender("::1")
    assert not imitation.is_sender("10.0.0.1")
    assert not imitation.is_sender("nobody")
