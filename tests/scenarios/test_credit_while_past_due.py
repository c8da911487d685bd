"""A price falls while a person is past due, so that their credit pays the period: nobody is asked, nothing ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.scenarios.changes_of_plan import changes, plans, subscribed, until_end
from tests.scenarios.cinema import Cinema, Person

__all__ = ["plans"]


async def _past_due_with_credit(cinema: Cinema, plan: str, reason: str) -> Person:
    """Their balance is 102.00, and the charge of the rest of 299.00 was refused."""
    await cinema.sells(plan, "299.00")
    person, its_id = await subscribed(cinema, "family", "999.00")
    await changes(person, its_id, plan, "299.00")
    for _ in range(2):
        await until_end(cinema, person)
    await cinema.yookassa.fault("create_payment", "decline", reason=reason)
    await until_end(cinema, person)
    subscription = await person.subscription()
    assert (subscription["status"], subscription["balance"]["value"]) == ("past_due", "102.00")
    return person


async def _now_costs(cinema: Cinema, plan: str, value: str) -> None:
    body = {"price": {"value": value, "currency": "RUB"}}
    assert (await cinema.as_admin("PATCH", f"/internal/v1/plans/{plan}", body)).status_code == 200


async def _removes_the_method(person: Person) -> None:
    method = (await person.reads("/v1/payment-methods"))["items"][0]["id"]
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": f"remove {method}"}
    assert (await person.cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)).status_code == 200


@pytest.mark.parametrize(("plan", "costs"), [("reduced", "102.00"), ("waived", "102.99")])
async def test_who_removes_the_method_is_not_asked_for_what_credit_pays(cinema: Cinema, plan: str, costs: str) -> None:
    """They were asked to pay what the balance paid, and lost both a week later."""
    anna = await _past_due_with_credit(cinema, plan, "insufficient_funds")
    await _now_costs(cinema, plan, costs)
    told = await anna.mails()

    await _removes_the_method(anna)
    assert await anna.mails() == told
    await cinema.time_passes(days=1, minutes=1)

    subscription = await anna.subscription()
    assert (subscription["status"], subscription["balance"]["value"]) == ("active", "0.00")
    assert (await anna.mails())[len(told) :] == ["subscription.renewed"]
    assert await anna.charged() == ["999.00"]


async def test_who_removes_the_method_is_asked_at_the_next_try_where_the_price_has_risen_again(cinema: Cinema) -> None:
    boris = await _past_due_with_credit(cinema, "seesaw", "insufficient_funds")
    await _now_costs(cinema, "seesaw", "100.00")
    await _removes_the_method(boris)
    await _now_costs(cinema, "seesaw", "299.00")

    await cinema.time_passes(days=1, minutes=1)
    assert (await boris.subscription())["status"] == "past_due"
    assert (await boris.mails())[-1] == "subscription.past_due"
    await cinema.time_passes(days=7, minutes=1)

    assert (await boris.subscription())["status"] == "expired"


async def test_nothing_expires_while_credit_pays_it(cinema: Cinema) -> None:
    vera = await _past_due_with_credit(cinema, "late", "card_expired")
    await cinema.time_passes(days=6)
    await _now_costs(cinema, "late", "60.00")
    paid_at = cinema.clock.now() + timedelta(days=1)

    await cinema.time_passes(days=1, minutes=1)

    subscription = await vera.subscription()
    assert (subscription["status"], subscription["balance"]["value"]) == ("active", "42.00")
    assert subscription["current_period"]["start"] == paid_at.isoformat().replace("+00:00", "Z")
    assert (await vera.mails())[-1] == "subscription.renewed"
    assert await vera.charged() == ["999.00"]
