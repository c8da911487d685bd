"""A trial costs nothing, is had once, and ends like a period whose renewal is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.scenarios.cinema import GOOD_CARD, Cinema, Person

BACK = {"type": "redirect", "return_url": "https://cinema.example/back"}


@pytest.fixture(autouse=True)
async def _plans(cinema: Cinema) -> None:
    await cinema.sells("tried", "499.00", trial_days=14)
    await cinema.sells("month", "299.00")


async def _tries(person: Person, payment: Any, price: str = "499.00") -> httpx.Response:
    body = {"plan_code": "tried", "price": {"value": price, "currency": "RUB"}, "payment": payment}
    return await person.posts("/v1/subscriptions", body)


async def _binds(cinema: Cinema, person: Person) -> dict[str, Any]:
    reply = await _tries(person, BACK)
    assert reply.status_code == 201, reply.text
    binding: dict[str, Any] = reply.json()["payment"]
    await cinema.yookassa.pay(binding["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=2)
    return binding


async def test_a_bound_card_begins_a_trial_and_is_charged_at_its_end(cinema: Cinema) -> None:
    anna = await cinema.person()
    began = cinema.clock.now()
    reply = await _tries(anna, BACK)
    said = reply.json()
    assert (reply.status_code, said["subscription"]["status"]) == (201, "pending")
    assert (said["payment"]["kind"], said["payment"]["amount"]["value"]) == ("binding", "0.00")
    assert said["payment"]["confirmation_url"]

    await cinema.yookassa.pay(said["payment"]["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=2)

    subscription = await anna.subscription()
    assert subscription["status"] == "trialing"
    end = datetime.fromisoformat(subscription["current_period"]["end"])
    assert timedelta(days=14) <= end - began <= timedelta(days=14, minutes=3)
    assert subscription["next_charge_at"] == subscription["current_period"]["end"]
    assert await anna.charged() == []
    assert await anna.mails() == ["payment.succeeded subscription.trial_started"]
    path = f"/internal/v1/users/{anna.id}/active-subscriptions"
    headers = {"Authorization": f"Bearer {cinema.token('auth', scope='billing:internal')}"}
    active = (await cinema.api.get(path, headers=headers)).json()["subscriptions"]
    assert [(one["plan_code"], one["status"]) for one in active] == [("tried", "trialing")]

    await cinema.time_passes(days=15)

    subscription = await anna.subscription()
    assert (subscription["status"], await anna.charged()) == ("active", ["499.00"])
    assert datetime.fromisoformat(subscription["current_period"]["start"]) == end
    assert await anna.payments() == [("renewal", "succeeded", "499.00"), ("binding", "succeeded", "0.00")]
    assert (await anna.mails())[1:] == ["subscription.charge_planned", "payment.succeeded subscription.renewed"]


async def test_a_saved_method_begins_it_at_once(cinema: Cinema) -> None:
    boris = await cinema.person()
    await boris.subscribes("month", "299.00")
    method = (await boris.reads("/v1/payment-methods"))["items"][0]["id"]

    reply = await _tries(boris, {"type": "saved", "payment_method_id": method})

    assert reply.status_code == 201, reply.text
    assert reply.json()["subscription"]["status"] == "trialing"
    assert reply.json()["payment"]["status"] == "succeeded"
    assert await boris.charged() == ["299.00"]
    await cinema.time_passes(days=15)
    assert "499.00" in await boris.charged()


async def test_a_token_cannot_be_bound_without_a_charge(cinema: Cinema) -> None:
    vera = await cinema.person()
    token = await cinema.yookassa.token(GOOD_CARD)
    reply = await _tries(vera, {"type": "token", "payment_token": token})
    assert (reply.status_code, reply.json()["code"]) == (422, "binding_not_possible")
    assert (await vera.reads("/v1/subscriptions"))["items"] == []
    assert await vera.charged() == []


async def test_the_price_that_will_be_charged_has_to_be_the_one_that_was_shown(cinema: Cinema) -> None:
    gleb = await cinema.person()
    reply = await _tries(gleb, BACK, "399.00")
    assert (reply.status_code, reply.json()["code"]) == (409, "price_changed")


async def test_a_page_that_nobody_confirms_ends_it_unbegun_and_leaves_the_trial_for_later(cinema: Cinema) -> None:
    dina = await cinema.person()
    await _tries(dina, BACK)
    await cinema.time_passes(hours=3)
    subscription = await dina.subscription()
    assert subscription["status"] == "expired"
    assert await dina.mails() == ["payment.failed subscription.expired"]

    await _binds(cinema, dina)

    assert [one["status"] for one in (await dina.reads("/v1/subscriptions"))["items"]] == ["trialing", "expired"]


async def test_who_had_the_trial_pays_the_second_time(cinema: Cinema) -> None:
    egor = await cinema.person()
    await _binds(cinema, egor)
    its_id = (await egor.subscription())["id"]
    assert (await egor.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "now"})).status_code == 200

    token = await cinema.yookassa.token(GOOD_CARD)
    reply = await _tries(egor, {"type": "token", "payment_token": token})

    assert (reply.status_code, reply.json()["payment"]["kind"]) == (201, "first")
    assert await egor.charged() == ["499.00"]


async def test_who_cancels_within_the_trial_is_never_charged(cinema: Cinema) -> None:
    fedor = await cinema.person()
    await _binds(cinema, fedor)
    its_id = (await fedor.subscription())["id"]
    await fedor.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "period_end"})
    refund = await fedor.posts(f"/v1/subscriptions/{its_id}/refunds")
    assert (refund.status_code, refund.json()["code"]) == (409, "nothing_to_refund")

    await cinema.time_passes(days=20)

    assert (await fedor.subscription())["status"] == "canceled"
    assert await fedor.charged() == []


async def test_who_cancels_while_the_page_is_open_and_binds_then_has_no_trial(cinema: Cinema) -> None:
    galina = await cinema.person()
    binding = (await _tries(galina, BACK)).json()
    its_id = binding["subscription"]["id"]
    await galina.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "now"})

    await cinema.yookassa.pay(binding["payment"]["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(days=20)

    assert (await galina.subscription())["status"] == "canceled"
    assert (await galina.charged(), await cinema.open_cases()) == ([], [])


async def test_a_binding_whose_answer_was_lost_is_asked_for_again_under_its_key(cinema: Cinema) -> None:
    irina = await cinema.person()
    await cinema.yookassa.fault("create_method", "no_answer", when="after", times=1)
    reply = await _tries(irina, BACK)
    assert (reply.status_code, reply.json()["payment"]["status"]) == (202, "unknown")

    await cinema.time_passes(minutes=2)

    payment = await irina.reads(f"/v1/payments/{reply.json()['payment']['id']}")
    assert payment["status"] == "pending"
    await cinema.yookassa.pay(payment["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=5)
    assert (await irina.subscription())["status"] == "trialing"


async def test_a_card_without_money_at_the_end_of_a_trial_is_past_due_like_any_other(cinema: Cinema) -> None:
    kira = await cinema.person()
    binding = await _binds(cinema, kira)
    await cinema.yookassa.behave(binding["provider_payment_id"], "insufficient_funds")
    await cinema.time_passes(days=15)
    assert (await kira.subscription())["status"] == "past_due"
    await cinema.time_passes(days=10)
    assert (await kira.subscription())["status"] == "expired"
    assert await kira.charged() == []


async def test_a_trial_is_cut_short_by_a_change_of_plan_at_its_full_price(cinema: Cinema) -> None:
    lev = await cinema.person()
    await _binds(cinema, lev)
    its_id = (await lev.subscription())["id"]
    body = {"plan_code": "month", "price": {"value": "299.00", "currency": "RUB"}}
    reply = await lev.posts(f"/v1/subscriptions/{its_id}/change-plan", body)
    assert (reply.status_code, reply.json()["payment"]["amount"]["value"]) == (201, "299.00")
    assert (await lev.subscription())["status"] == "active"
    assert await lev.charged() == ["299.00"]
