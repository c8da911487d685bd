"""What a mail says is true: of the subscription, of the money, and of what comes next."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from infrastructure.mail.letters import Letter, Rendered, render
from infrastructure.postgres.tables import mails
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person

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
    assert mail.subject == "Your plan was not changed: 500.00 RUB is returned"
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
