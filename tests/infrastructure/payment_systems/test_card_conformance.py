"""What every payment system promises that takes card data; one that takes none is in test_conformance.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from domain.payment_system import Cancellation, CardData, ChargeRequest, PaymentSnapshot, ProviderStatus, Saved, Silence
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.payment_systems.registry import ADAPTERS
from tests.infrastructure.payment_systems.samples import RETURN_URL, charge
from tests.infrastructure.payment_systems.test_conformance import DECLINES, GOOD, all_payments, snapshot
from tests.infrastructure.payment_systems.worlds import World, world

ASKING = "5555555555554477"


@pytest.fixture(params=sorted(name for name, adapter in ADAPTERS.items() if adapter.capabilities.card))
async def it(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world(request.param) as made:
        yield made


def card(number: str = GOOD, *, cvc: str = "7391", year: int = 2030, back: bool = False) -> CardData:
    return CardData(number, 12, year, cvc, "ANNA K", return_url=RETURN_URL if back else None)


@pytest.mark.parametrize(("number", "reason", "party"), DECLINES)
async def test_each_declining_test_card_says_why(it: World, number: str, reason: str, party: str) -> None:
    answer = snapshot(await it.system.create_payment(charge(card(number))))
    assert answer.status is ProviderStatus.CANCELED
    assert answer.cancellation == Cancellation(reason, party)


async def test_an_expired_card_is_declined(it: World) -> None:
    answer = snapshot(await it.system.create_payment(charge(card(year=it.clock.now().year - 1))))
    assert answer.cancellation == Cancellation("card_expired", "payment_network")


async def test_a_card_whose_bank_asks_the_person_waits_for_it(it: World) -> None:
    made = snapshot(await it.system.create_payment(charge(card(ASKING, back=True))))
    assert made.status is ProviderStatus.PENDING
    assert made.confirmation_url is not None

    await it.pay(made.provider_payment_id, ASKING)

    paid = snapshot(await it.system.get_payment(made.provider_payment_id))
    assert paid.status is ProviderStatus.SUCCEEDED


async def test_the_method_that_a_card_leaves_is_charged_without_it(it: World) -> None:
    paid = snapshot(await it.system.create_payment(charge(card())))
    assert paid.method is not None
    assert (paid.method.saved, paid.method.first6, paid.method.last4) == (True, "555555", "4444")

    again = snapshot(await it.system.create_payment(charge(Saved(paid.method.provider_method_id))))
    assert again.status is ProviderStatus.SUCCEEDED


async def test_the_same_card_under_the_same_key_is_the_same_payment(it: World) -> None:
    request = charge(card())
    await it.lose_answer("create_payment")
    assert isinstance(await it.system.create_payment(request), Silence)

    again = snapshot(await it.system.create_payment(request))

    assert [each.provider_payment_id for each in await all_payments(it)] == [again.provider_payment_id]


async def test_another_cvc_under_the_same_key_says_nothing_of_the_first_call(it: World) -> None:
    request = charge(card())
    first = snapshot(await it.system.create_payment(request))

    answer = await it.system.create_payment(replace(request, instrument=card(cvc="7392")))

    assert isinstance(answer, Silence)
    assert answer.conflict
    minute = timedelta(minutes=1)
    found = await it.system.find_payment(request.payment_id, it.clock.now() - minute, it.clock.now() + minute)
    assert snapshot(found).provider_payment_id == first.provider_payment_id
    assert len(await all_payments(it)) == 1


async def test_no_answer_shows_the_card(it: World) -> None:
    request = charge(card())
    paid = await it.system.create_payment(request)
    assert isinstance(paid, PaymentSnapshot)
    for shown in (repr(paid), str(dict(paid.raw)), repr(request)):
        assert [word for word in (GOOD, "7391", "ANNA K") if word in shown] == []


async def test_the_imitation_keeps_no_cvc_to_know_a_request_again() -> None:
    async with world("imitation") as it:
        await it.system.create_payment(charge(card()))
        kept = cast("Imitation", it.system)._books._keys.values()
        instruments = [cast("ChargeRequest", use.request).instrument for use in kept]
        assert ["7391" in cast("CardData", card).cvc for card in instruments] == [False]
