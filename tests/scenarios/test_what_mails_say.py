"""What a mail says is true: of the subscription, of the money, and of what comes next."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from infrastructure.mail.letters import Letter, Rendered, render
from infrastructure.mail.wording import moment
from infrastructure.postgres.tables import mails
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Person

BACK = {"type": "redirect", "return_url": "https://cinema.example/back"}


@pytest.fixture(autouse=True)
async def _plans(cinema: Cinema) -> None:
    await cinema.sells("family", "999.00")


async def _last_mail(person: Person) -> Rendered:
    async with person.cinema.service.engine.connect() as connection:
        query = select(mails).where(mails.c.user_id == person.id).order_by(mails.c.id.desc()).limit(1)
        mail = (await connection.execute(query)).one()
    return render(Letter(tuple(mail.events.split()), "en", "UTC", mail.facts))


async def _changing(cinema: Cinema) -> tuple[Person, str, dict[str, Any]]:
    """A person with a payment page open for a change of plan."""
    person = await cinema.person()
    its_id = (await person.subscribes("premium", "499.00")).json()["subscription"]["id"]
    body = {"plan_code": "family", "price": {"value": "999.00", "currency": "RUB"}, "payment": BACK}
    page = (await person.posts(f"/v1/subscriptions/{its_id}/change-plan", body)).json()["payment"]
    return person, its_id, page


async def test_money_for_a_change_that_cannot_be_made_any_more_is_not_called_money_for_what_has_ended(
    cinema: Cinema,
) -> None:
    irina, _, page = await _changing(cinema)
    assert (await irina.subscribes("family", "999.00")).status_code == 201

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    mail = await _last_mail(irina)
    assert mail.subject == "Your plan was not changed: 500.00 RUB has been returned"
    assert "could not be changed any more. We have returned all of it." in mail.text
    assert "Your subscription is as it was." in mail.text
    assert "ended" not in mail.text
    shown = await irina.reads(f"/v1/payments/{page['id']}")
    assert [one["reason"] for one in shown["refunds"]] == ["the plan could not be changed any more"]


async def test_a_cancellation_that_is_only_planned_is_not_called_an_end(cinema: Cinema) -> None:
    galina, its_id, page = await _changing(cinema)
    await galina.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "period_end"})

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    mail = await _last_mail(galina)
    assert "Your subscription is as it was." in mail.text
    assert "ended" not in mail.text


async def test_money_for_a_change_of_what_has_ended_says_that_it_has(cinema: Cinema) -> None:
    dina, its_id, page = await _changing(cinema)
    await dina.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "now"})

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    assert "The subscription that was to be changed has ended" in (await _last_mail(dina)).text


@pytest.mark.parametrize(("plan", "unit", "promised"), [("daily", "day", False), ("weekly", "week", True)])
async def test_a_reminder_is_promised_only_where_one_comes(
    cinema: Cinema, plan: str, unit: str, *, promised: bool
) -> None:
    """A period of a day is too short for one, and it was promised all the same."""
    await cinema.sells(plan, "19.00", period={"unit": unit, "count": 1})
    person = await cinema.person()
    sale = (await person.subscribes(plan, "19.00")).json()
    assert ("We will remind you beforehand" in (await _last_mail(person)).text) == promised

    await cinema.time_passes(days=7 if promised else 1)

    assert ("subscription.charge_planned" in await person.mails()) == promised
    assert ("We will remind you beforehand" in (await _last_mail(person)).text) == promised
    await person.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "now"})


async def test_a_short_trial_promises_no_reminder(cinema: Cinema) -> None:
    await cinema.sells("tasted", "499.00", trial_days=2)
    egor = await cinema.person()
    page = (await egor.subscribes("tasted", "499.00", card=None)).json()["payment"]

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=5)

    mail = await _last_mail(egor)
    assert "we will charge 499.00 RUB then. If you cancel earlier, nothing is charged." in mail.text


async def test_what_the_balance_pays_for_is_neither_reminded_of_nor_called_a_charge(cinema: Cinema) -> None:
    await cinema.sells("basic", "299.00")
    fedor = await cinema.person()
    its_id = (await fedor.subscribes("family", "999.00")).json()["subscription"]["id"]

    body = {"plan_code": "basic", "price": {"value": "299.00", "currency": "RUB"}}
    await fedor.posts(f"/v1/subscriptions/{its_id}/change-plan", body)

    changed = (await _last_mail(fedor)).text
    assert "is paid from your balance: nothing will be charged." in changed
    assert "next charge is" not in changed
    for left, covered in (("401.00", True), ("102.00", False)):
        await cinema.time_passes(days=31)
        assert (await fedor.subscription())["balance"]["value"] == left
        renewed = (await _last_mail(fedor)).text
        assert ("is paid from your balance" in renewed) == covered
        assert ("We will remind you beforehand" in renewed) != covered


async def test_a_change_of_plan_speaks_of_credit_only_where_there_is_some(cinema: Cinema) -> None:
    await cinema.sells("tried", "499.00", trial_days=14)
    body = {"plan_code": "family", "price": {"value": "999.00", "currency": "RUB"}}
    paid, tries = await cinema.person(), await cinema.person()
    await paid.subscribes("premium", "499.00")
    page = (await tries.subscribes("tried", "499.00", card=None)).json()["payment"]
    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=5)

    for person in (paid, tries):
        its_id = (await person.subscription())["id"]
        assert (await person.posts(f"/v1/subscriptions/{its_id}/change-plan", body)).status_code == 201

    credited = "has been credited."
    assert credited in (await _last_mail(paid)).text
    text = (await _last_mail(tries)).text
    assert "Your payment of 999.00 RUB went through. Your new plan is active." in text
    assert credited not in text


async def test_who_has_no_method_learns_that_nobody_was_charged_and_until_when_to_pay(cinema: Cinema) -> None:
    """A bank was said to have declined, where nobody had been asked."""
    sonya = await cinema.person()
    await sonya.subscribes("premium", "499.00")
    [method] = (await sonya.reads("/v1/payment-methods"))["items"]
    headers = {"Authorization": f"Bearer {sonya.token}", "Idempotency-Key": method["id"]}
    assert (await cinema.api.delete(f"/v1/payment-methods/{method['id']}", headers=headers)).status_code == 200
    end = datetime.fromisoformat((await sonya.subscription())["current_period"]["end"])

    await cinema.time_passes(days=32)

    text = (await _last_mail(sonya)).text
    assert "there is no saved payment method to charge for the next one." in text
    assert f"pay with any card by {moment(end + timedelta(days=7), 'UTC', 'en')}" in text
    assert f"You have access until {moment(end + timedelta(days=3), 'UTC', 'en')}." in text
    assert not re.search("declined|did not go through|try again", text)


async def test_access_that_is_over_is_not_promised(cinema: Cinema) -> None:
    """The last try but one asks for another card, and the grace has ended by then."""
    timur = await cinema.person()
    first = (await timur.subscribes("premium", "499.00")).json()["payment"]["provider_payment_id"]
    await cinema.yookassa.behave(first, "insufficient_funds")
    end = datetime.fromisoformat((await timur.subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end + timedelta(days=4) - cinema.clock.now()).total_seconds())
    await cinema.yookassa.behave(first, "card_expired")

    await cinema.time_passes(days=2)

    text = (await _last_mail(timur)).text
    assert (await timur.mails())[-1] == "payment.failed"
    assert "The subscription waits for its payment" not in text
    assert f"waits for its payment until {moment(end + timedelta(days=12), 'UTC', 'en')}." in text
    assert "You have access" not in text


@pytest.mark.parametrize("ending", ["refused", "left"])
async def test_a_change_that_gave_way_to_money_from_outside_and_comes_to_nothing_is_told(
    cinema: Cinema, ending: str
) -> None:
    """The period was paid, by other money; the plan that the person waits for was not changed, and nobody said so."""
    rita, its_id, page = await _changing(cinema)
    outside = {
        "amount": {"value": "499.00", "currency": "RUB"},
        "paid_at": cinema.clock.now().isoformat(),
        "source": "bank",
        "reference": its_id,
    }
    path = f"/internal/v1/subscriptions/{its_id}/external-payments"
    assert (await cinema.as_service("POST", path, outside)).status_code == 201

    if ending == "refused":
        await cinema.yookassa.pay(page["provider_payment_id"], POOR_CARD)
    else:
        await cinema.yookassa.leave(page["provider_payment_id"])
    await cinema.time_passes(hours=2)

    assert (await rita.reads(f"/v1/payments/{page['id']}"))["status"] == "canceled"
    assert (await rita.mails())[-1] == "payment.failed"
    assert "Your plan stays as it was." in (await _last_mail(rita)).text
