"""Every payment system keeps the same promises; a new one joins by a row in `worlds.py`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.money import Money
from domain.payment_system import (
    Cancellation,
    CardData,
    NotFound,
    PaymentSnapshot,
    ProviderMethod,
    ProviderStatus,
    Redirect,
    RefundSnapshot,
    Refused,
    Saved,
    Silence,
    Token,
)
from infrastructure.payment_systems.registry import ADAPTERS
from tests.infrastructure.payment_systems.samples import RETURN_URL, binding, charge, refund
from tests.infrastructure.payment_systems.worlds import World, world

GOOD = "5555555555554444"
BROKE = "5555555555554600"
CARDS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "infrastructure" / "payment_systems" / "test_cards.json").read_text()
)
DECLINES = [(card["mastercard"], card["reason"], card["party"]) for card in CARDS["declines"]]


@pytest.fixture(params=sorted(ADAPTERS))
async def it(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world(request.param) as made:
        yield made


def snapshot(answer: object) -> PaymentSnapshot:
    assert isinstance(answer, PaymentSnapshot), answer
    return answer


def refunded(answer: object) -> RefundSnapshot:
    assert isinstance(answer, RefundSnapshot), answer
    return answer


async def succeeded(it: World, **others: Any) -> tuple[Any, PaymentSnapshot]:
    """A payment by redirect that the person has paid with a good card: its request and how it stands."""
    request = charge(**others)
    made = snapshot(await it.system.create_payment(request))
    await it.pay(made.provider_payment_id, GOOD)
    return request, snapshot(await it.system.get_payment(made.provider_payment_id))


async def saved_method(it: World) -> ProviderMethod:
    _, paid = await succeeded(it)
    assert paid.method is not None
    assert paid.method.saved
    return paid.method


async def all_payments(it: World) -> list[PaymentSnapshot]:
    day = timedelta(days=400)
    listed = it.system.list_payments(it.clock.now() - day, it.clock.now() + day)
    return [each async for each in listed if isinstance(each, PaymentSnapshot)]


async def test_a_payment_by_redirect_waits_for_the_person_and_succeeds(it: World) -> None:
    request = charge(Redirect(RETURN_URL))
    made = snapshot(await it.system.create_payment(request))
    assert made.status is ProviderStatus.PENDING
    assert made.confirmation_url is not None
    assert made.confirmation_url.startswith("http")
    assert made.payment_id == request.payment_id
    assert made.amount == request.amount

    await it.pay(made.provider_payment_id, GOOD)

    paid = snapshot(await it.system.get_payment(made.provider_payment_id))
    assert paid.status is ProviderStatus.SUCCEEDED
    assert paid.amount == request.amount
    assert paid.refunded == Money(0)
    assert paid.method is not None
    assert paid.method.saved
    assert paid.method.last4 == "4444"
    assert paid.created_at == it.clock.now()


async def test_a_method_is_saved_only_where_it_was_asked_for(it: World) -> None:
    _, paid = await succeeded(it, save_method=False)
    assert paid.method is None or not paid.method.saved


async def test_a_declined_card_on_the_page_lets_the_person_try_another(it: World) -> None:
    made = snapshot(await it.system.create_payment(charge()))
    await it.pay(made.provider_payment_id, BROKE)
    assert snapshot(await it.system.get_payment(made.provider_payment_id)).status is ProviderStatus.PENDING
    await it.pay(made.provider_payment_id, GOOD)
    assert snapshot(await it.system.get_payment(made.provider_payment_id)).status is ProviderStatus.SUCCEEDED


async def test_a_page_left_unpaid_is_canceled_after_an_hour(it: World) -> None:
    made = snapshot(await it.system.create_payment(charge()))
    it.clock.advance(timedelta(minutes=59))
    assert snapshot(await it.system.get_payment(made.provider_payment_id)).status is ProviderStatus.PENDING
    it.clock.advance(timedelta(minutes=2))
    left = snapshot(await it.system.get_payment(made.provider_payment_id))
    assert left.status is ProviderStatus.CANCELED
    assert left.cancellation is not None
    assert left.cancellation.reason == "expired_on_confirmation"


async def test_the_same_request_under_the_same_key_is_the_same_payment(it: World) -> None:
    method = await saved_method(it)
    request = charge(Saved(method.provider_method_id))
    first = snapshot(await it.system.create_payment(request))
    it.clock.advance(timedelta(hours=23))
    again = snapshot(await it.system.create_payment(request))
    assert again.provider_payment_id == first.provider_payment_id
    assert len(await all_payments(it)) == 2


async def test_the_same_key_with_another_body_says_nothing_of_the_first_call(it: World) -> None:
    request = charge()
    await it.system.create_payment(request)
    answer = await it.system.create_payment(charge(idempotency_key=request.idempotency_key, amount=Money(100)))
    assert isinstance(answer, Silence)
    assert answer.only_this
    assert len(await all_payments(it)) == 1


async def test_past_its_lifetime_a_key_runs_as_a_new_request(it: World) -> None:
    request = charge(Saved((await saved_method(it)).provider_method_id))
    first = snapshot(await it.system.create_payment(request))
    it.clock.advance(timedelta(seconds=it.system.capabilities.key_lifetime_s + 1))
    second = snapshot(await it.system.create_payment(request))
    assert second.provider_payment_id != first.provider_payment_id, "so nobody may send it again by then"


async def test_a_saved_method_is_charged_without_the_person(it: World) -> None:
    method = await saved_method(it)
    request = charge(Saved(method.provider_method_id), save_method=False)
    made = snapshot(await it.system.create_payment(request))
    assert made.status is ProviderStatus.SUCCEEDED
    assert made.confirmation_url is None
    assert made.payment_id == request.payment_id


@pytest.mark.parametrize("reason", ["insufficient_funds", "card_expired"])
async def test_a_saved_method_may_be_declined(it: World, reason: str) -> None:
    method = await saved_method(it)
    await it.decline_saved(method.provider_method_id, reason)
    made = snapshot(await it.system.create_payment(charge(Saved(method.provider_method_id))))
    assert made.status is ProviderStatus.CANCELED
    assert made.cancellation == Cancellation(reason, "payment_network")


async def test_an_unknown_saved_method_is_refused(it: World) -> None:
    answer = await it.system.create_payment(charge(Saved(str(uuid4()))))
    assert isinstance(answer, Refused)
    assert await all_payments(it) == []


@pytest.mark.parametrize(("number", "reason", "party"), DECLINES)
async def test_each_declining_test_card_says_why(it: World, number: str, reason: str, party: str) -> None:
    answer = snapshot(await it.system.create_payment(charge(Token(await it.token(number)))))
    assert answer.status is ProviderStatus.CANCELED
    assert answer.cancellation == Cancellation(reason, party)


async def test_a_token_pays_once(it: World) -> None:
    token = Token(await it.token(GOOD))
    first = snapshot(await it.system.create_payment(charge(token)))
    assert first.status is ProviderStatus.SUCCEEDED
    assert isinstance(await it.system.create_payment(charge(token)), Refused)


async def test_a_card_whose_bank_asks_the_person_waits_for_it(it: World) -> None:
    asking = "5555555555554477"
    made = snapshot(await it.system.create_payment(charge(Token(await it.token(asking), RETURN_URL))))
    assert made.status is ProviderStatus.PENDING
    assert made.confirmation_url is not None


@pytest.mark.parametrize("kopecks", [0, 99, 35_000_001])
async def test_amounts_out_of_limits_are_refused(it: World, kopecks: int) -> None:
    assert isinstance(await it.system.create_payment(charge(amount=Money(kopecks))), Refused)


@pytest.mark.parametrize("kopecks", [100, 12_345, 35_000_000])
async def test_amounts_are_kept_to_the_kopeck(it: World, kopecks: int) -> None:
    made = snapshot(await it.system.create_payment(charge(amount=Money(kopecks))))
    assert made.amount == Money(kopecks)


async def test_what_does_not_exist_is_not_found(it: World) -> None:
    unknown = str(uuid4())
    assert isinstance(await it.system.get_payment(unknown), NotFound)
    assert isinstance(await it.system.get_binding(unknown), NotFound)
    assert isinstance(await it.system.get_refund(unknown), NotFound)


async def test_a_charge_whose_answer_was_lost_is_found_again_and_not_made_twice(it: World) -> None:
    request = charge(Saved((await saved_method(it)).provider_method_id))
    await it.lose_answer("create_payment")
    assert isinstance(await it.system.create_payment(request), Silence)

    minute = timedelta(minutes=1)
    found = snapshot(await it.system.find_payment(request.payment_id, it.clock.now() - minute, it.clock.now() + minute))
    again = snapshot(await it.system.create_payment(request))
    assert found.status is ProviderStatus.SUCCEEDED
    assert again.provider_payment_id == found.provider_payment_id
    assert sum(each.payment_id == request.payment_id for each in await all_payments(it)) == 1


async def test_a_charge_that_never_arrived_is_not_found_and_may_be_asked_again(it: World) -> None:
    request = charge(Saved((await saved_method(it)).provider_method_id))
    await it.lose_request("create_payment")
    assert isinstance(await it.system.create_payment(request), Silence)
    minute = timedelta(minutes=1)
    window = (it.clock.now() - minute, it.clock.now() + minute)
    assert isinstance(await it.system.find_payment(request.payment_id, *window), NotFound)
    assert snapshot(await it.system.create_payment(request)).status is ProviderStatus.SUCCEEDED


async def test_a_payment_is_found_in_its_time_only(it: World) -> None:
    request, paid = await succeeded(it)
    hour = timedelta(hours=1)
    assert paid.created_at is not None
    found = await it.system.find_payment(request.payment_id, paid.created_at - hour, paid.created_at + hour)
    assert snapshot(found).provider_payment_id == paid.provider_payment_id
    past = await it.system.find_payment(request.payment_id, paid.created_at - 2 * hour, paid.created_at - hour)
    assert isinstance(past, NotFound)


async def test_refunds_go_up_to_what_was_paid(it: World) -> None:
    request, paid = await succeeded(it, amount=Money(49900))
    first = refund(request, paid.provider_payment_id, Money(10000))
    made = refunded(await it.system.create_refund(first))
    assert made.status is ProviderStatus.SUCCEEDED
    assert made.refund_id == first.refund_id
    assert made.provider_payment_id == paid.provider_payment_id
    assert made.amount == Money(10000)
    assert snapshot(await it.system.get_payment(paid.provider_payment_id)).refunded == Money(10000)

    too_much = await it.system.create_refund(refund(request, paid.provider_payment_id, Money(39901)))
    assert isinstance(too_much, Refused)
    crumb = await it.system.create_refund(refund(request, paid.provider_payment_id, Money(39850)))
    assert isinstance(crumb, Refused), "less than a rouble would be left"
    rest = refunded(await it.system.create_refund(refund(request, paid.provider_payment_id, Money(39900))))
    assert rest.status is ProviderStatus.SUCCEEDED
    assert isinstance(await it.system.create_refund(refund(request, paid.provider_payment_id, Money(100))), Refused)
    assert refunded(await it.system.get_refund(made.provider_refund_id)) == made


async def test_the_same_refund_under_the_same_key_is_made_once(it: World) -> None:
    request, paid = await succeeded(it)
    asked = refund(request, paid.provider_payment_id, Money(10000))
    await it.lose_answer("create_refund")
    assert isinstance(await it.system.create_refund(asked), Silence)
    minute = timedelta(minutes=1)
    window = (it.clock.now() - minute, it.clock.now() + minute)
    found = refunded(await it.system.find_refund(asked.refund_id, *window))
    again = refunded(await it.system.create_refund(asked))
    assert found.provider_refund_id == again.provider_refund_id
    assert snapshot(await it.system.get_payment(paid.provider_payment_id)).refunded == Money(10000)
    assert isinstance(await it.system.find_refund(uuid4(), *window), NotFound)


async def test_what_has_not_succeeded_is_not_refunded(it: World) -> None:
    request = charge()
    made = snapshot(await it.system.create_payment(request))
    assert isinstance(await it.system.create_refund(refund(request, made.provider_payment_id)), Refused)
    assert isinstance(await it.system.create_refund(refund(request, str(uuid4()))), Refused)


async def test_a_refund_may_wait_and_be_canceled(it: World) -> None:
    request, paid = await succeeded(it)
    await it.hold_refund()
    made = refunded(await it.system.create_refund(refund(request, paid.provider_payment_id)))
    assert made.status is ProviderStatus.PENDING
    await it.cancel_refund(made.provider_refund_id, "rejected_by_payee")
    ended = refunded(await it.system.get_refund(made.provider_refund_id))
    assert ended.status is ProviderStatus.CANCELED
    assert ended.cancellation is not None
    assert ended.cancellation.reason == "rejected_by_payee"
    assert snapshot(await it.system.get_payment(paid.provider_payment_id)).refunded == Money(0)


async def test_a_binding_saves_a_card_that_can_be_charged(it: World) -> None:
    request = binding()
    made = snapshot(await it.system.create_binding(request))
    assert made.status is ProviderStatus.PENDING
    assert made.amount == Money(0)
    assert made.payment_id == request.payment_id
    assert made.confirmation_url is not None
    await it.pay(made.provider_payment_id, GOOD)
    bound = snapshot(await it.system.get_binding(made.provider_payment_id))
    assert bound.status is ProviderStatus.SUCCEEDED
    assert bound.method is not None
    assert bound.method.saved
    charged = snapshot(await it.system.create_payment(charge(Saved(bound.method.provider_method_id))))
    assert charged.status is ProviderStatus.SUCCEEDED


async def test_the_same_binding_under_the_same_key_is_one(it: World) -> None:
    request = binding()
    await it.lose_answer("create_binding")
    assert isinstance(await it.system.create_binding(request), Silence)
    first = snapshot(await it.system.create_binding(request))
    again = snapshot(await it.system.create_binding(request))
    assert first.provider_payment_id == again.provider_payment_id


async def test_a_binding_that_nobody_confirms_is_canceled(it: World) -> None:
    made = snapshot(await it.system.create_binding(binding()))
    it.clock.advance(timedelta(hours=1, minutes=1))
    assert snapshot(await it.system.get_binding(made.provider_payment_id)).status is ProviderStatus.CANCELED


async def test_the_lists_hold_each_object_of_their_time_once(it: World) -> None:
    since = it.clock.now()
    made = []
    for _ in range(3):
        made.append(await succeeded(it))
        it.clock.advance(timedelta(minutes=10))
    until = since + timedelta(minutes=20)
    found = [each async for each in it.system.list_payments(since, until)]
    listed = [each.provider_payment_id for each in found if isinstance(each, PaymentSnapshot)]
    assert len(listed) == len(found)
    assert sorted(listed) == sorted(paid.provider_payment_id for _, paid in made[:2])

    request, paid = made[0]
    ours = refunded(await it.system.create_refund(refund(request, paid.provider_payment_id, Money(100))))
    theirs = await it.refund_in_cabinet(paid.provider_payment_id, Money(200))
    later = it.clock.now() + timedelta(seconds=1)
    of_refunds = it.system.list_refunds(since, later)
    refunds = {each.provider_refund_id: each async for each in of_refunds if isinstance(each, RefundSnapshot)}
    assert set(refunds) == {ours.provider_refund_id, theirs}
    assert refunds[theirs].refund_id is None, "made in the cabinet: it carries no id of ours"
    assert refunds[theirs].amount == Money(200)


async def test_card_data_is_taken_or_refused_as_the_capabilities_say(it: World) -> None:
    answer = await it.system.create_payment(charge(CardData(GOOD, 12, 2030, "123")))
    if it.system.capabilities.card:
        assert snapshot(answer).status is ProviderStatus.SUCCEEDED
    else:
        assert isinstance(answer, Refused)
        assert await all_payments(it) == []


async def test_what_is_kept_for_the_record_shows_no_card(it: World) -> None:
    _, paid = await succeeded(it)
    kept = json.dumps(dict(paid.raw))
    assert GOOD not in kept
    assert paid.provider_payment_id in kept
