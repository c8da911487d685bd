"""Credit is of money that was paid: what lives on as credit is not returned as well, and what was returned is none."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.scenarios.changes_of_plan import BACK, changes, plans, preview, subscribed, until_end
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person
from tests.scenarios.test_cabinet_refunds import _is_told

__all__ = ["plans"]


async def _newest_payment(person: Person) -> str:
    return str((await person.reads("/v1/payments"))["items"][0]["id"])


async def test_money_whose_unused_part_became_credit_is_not_returned_beside_it(cinema: Cinema) -> None:
    oleg, its_id = await subscribed(cinema, "family", "999.00")
    payment = await _newest_payment(oleg)
    await changes(oleg, its_id, "basic", "299.00")

    whole = await cinema.as_service("POST", "/internal/v1/refunds", {"payment_id": payment, "reason": "they called"})

    assert (whole.status_code, whole.json()["code"]) == (409, "nothing_to_refund")
    assert (await oleg.subscription())["balance"]["value"] == "700.00"
    await until_end(cinema, oleg)
    assert await oleg.charged() == ["999.00"], "the balance pays the next period"


async def test_what_was_used_before_the_change_can_still_be_returned(cinema: Cinema) -> None:
    nina, its_id = await subscribed(cinema, "family", "999.00")
    payment = await _newest_payment(nina)
    await cinema.time_passes(days=10)
    credit = (await preview(nina, its_id, "basic"))["credit"]["value"]
    await changes(nina, its_id, "basic", "299.00")

    whole = await cinema.as_service("POST", "/internal/v1/refunds", {"payment_id": payment, "reason": "a bad start"})
    await cinema.works()

    assert whole.status_code == 202, whole.text
    assert round(float(whole.json()["refund"]["amount"]["value"]) + float(credit), 2) == 999.00
    assert (await nina.subscription())["status"] == "active", "it is of a plan that was left"


async def test_a_part_is_returned_as_asked_where_credit_stays_at_the_payment_system(cinema: Cinema) -> None:
    """What is left to return is less than a rouble then; what is left there is not."""
    pavel, its_id = await subscribed(cinema, "family", "999.00")
    payment = await _newest_payment(pavel)
    await cinema.time_passes(days=10)
    credit = (await preview(pavel, its_id, "basic"))["credit"]["value"]
    await changes(pavel, its_id, "basic", "299.00")
    all_but_some = f"{999 - float(credit) - 0.40:.2f}"

    body = {"payment_id": payment, "amount": {"value": all_but_some, "currency": "RUB"}, "reason": "a bad start"}
    part = await cinema.as_service("POST", "/internal/v1/refunds", body)
    await cinema.works()

    assert (part.status_code, part.json()["refund"]["amount"]["value"]) == (202, all_but_some)
    assert (await pavel.mails())[-1] == "refund.succeeded"


async def test_where_the_credit_is_less_than_a_rouble_so_much_is_returned_that_a_rouble_stays(cinema: Cinema) -> None:
    rita, its_id = await subscribed(cinema, "family", "999.00")
    payment = await _newest_payment(rita)
    end = datetime.fromisoformat((await rita.subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end - timedelta(minutes=20) - cinema.clock.now()).total_seconds())
    assert 0 < float((await preview(rita, its_id, "basic"))["credit"]["value"]) < 1
    changed = await changes(rita, its_id, "basic", "299.00")
    assert changed.status_code == 201, changed.text

    body = {"payment_id": payment, "reason": "they called"}
    whole = await cinema.as_service("POST", "/internal/v1/refunds", body)
    await cinema.works()
    rest = await cinema.as_service("POST", "/internal/v1/refunds", body)

    assert (whole.status_code, whole.json()["refund"]["amount"]["value"]) == (202, "998.00")
    assert (await rita.mails())[-1] == "refund.succeeded"
    assert (rest.status_code, rest.json()["code"]) == (409, "nothing_to_refund")


async def test_a_refund_in_the_cabinet_of_what_is_credit_by_now_is_shown_to_a_person(cinema: Cinema) -> None:
    pavel, its_id = await subscribed(cinema, "family", "999.00")
    provider_id = (await pavel.reads("/v1/payments"))["items"][0]["provider_payment_id"]
    await changes(pavel, its_id, "basic", "299.00")

    await cinema.yookassa.cabinet_refund(provider_id, "999.00")
    await _is_told(cinema, provider_id)
    await cinema.time_passes(minutes=5)

    assert "cabinet_refund_exceeds" in await cinema.open_cases()
    assert (await pavel.subscription())["status"] == "active"


async def test_money_returned_while_the_page_of_a_change_is_open_is_no_credit(cinema: Cinema) -> None:
    anna, its_id = await subscribed(cinema)
    first = await _newest_payment(anna)
    page = (await changes(anna, its_id, "family", "999.00", payment=BACK)).json()["payment"]
    back = {"payment_id": first, "amount": {"value": "300.00", "currency": "RUB"}, "reason": "a bad evening"}
    assert (await cinema.as_service("POST", "/internal/v1/refunds", back)).status_code == 202
    await cinema.works()

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=5)

    subscription = await anna.subscription()
    assert subscription["plan"]["code"] == "premium", "its credit was reckoned with money that has gone back"
    returned = [one["amount"] for one in (await cinema.yookassa.ledger()).refunds_of(page["provider_payment_id"])]
    assert returned == ["500.00"], "what the page brought goes back by itself"
    assert (await preview(anna, its_id, "basic"))["credit"]["value"] == "199.00"


async def test_a_plan_is_not_changed_while_money_of_its_period_is_on_its_way_back(cinema: Cinema) -> None:
    """If that refund came to nothing, the credit would have been reckoned too low."""
    dora, its_id = await subscribed(cinema, "family", "999.00")
    back = {
        "payment_id": await _newest_payment(dora),
        "amount": {"value": "100.00", "currency": "RUB"},
        "reason": "late",
    }
    await cinema.as_service("POST", "/internal/v1/refunds", back)

    reply = await changes(dora, its_id, "basic", "299.00")

    assert (reply.status_code, reply.json()["code"]) == (409, "refund_in_progress")
    await cinema.works()
    assert (await changes(dora, its_id, "basic", "299.00")).status_code == 200


async def test_what_cannot_be_changed_any_more_is_not_charged_to_be_returned(cinema: Cinema) -> None:
    sonya, its_id = await subscribed(cinema)
    await cinema.yookassa.fault("create_payment", "reset", when="before", times=1)
    change = (await changes(sonya, its_id, "family", "999.00")).json()["payment"]
    assert change["status"] == "unknown"
    assert (await sonya.subscribes("family", "999.00")).status_code == 201

    await cinema.time_passes(days=2)

    assert sorted(await sonya.charged()) == ["499.00", "999.00"]
    assert (await cinema.api.get(f"/v1/payments/{change['id']}", headers=_of(sonya))).json()["status"] == "canceled"


def _of(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def test_money_from_outside_pays_the_planned_plan(cinema: Cinema) -> None:
    mila, its_id = await subscribed(cinema)
    await changes(mila, its_id, "basic", "299.00", when="period_end")
    paid = {"amount": {"value": "299.00", "currency": "RUB"}, "paid_at": cinema.clock.now().isoformat()}

    path = f"/internal/v1/subscriptions/{its_id}/external-payments"
    reply = await cinema.as_service("POST", path, {**paid, "source": "bank", "reference": its_id})

    assert reply.status_code == 201, reply.text
    subscription = await mila.subscription()
    assert (subscription["plan"]["code"], subscription["next_plan"]) == ("basic", None)


async def test_nobody_is_sent_to_a_page_that_pays_for_something_else(cinema: Cinema) -> None:
    dina, its_id = await subscribed(cinema)
    await changes(dina, its_id, "family", "999.00", payment=BACK)

    reply = await dina.posts(f"/v1/subscriptions/{its_id}/payments", {"payment": BACK})

    assert (reply.status_code, reply.json()["code"]) == (409, "payment_in_progress")


async def test_nobody_is_sent_to_the_page_of_what_has_ended(cinema: Cinema) -> None:
    egor = await cinema.person()
    its_id = (await egor.subscribes("premium", "499.00", card=None)).json()["subscription"]["id"]
    await egor.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "now"})

    reply = await egor.posts(f"/v1/subscriptions/{its_id}/payments", {"payment": BACK})

    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_pay")


async def test_a_balance_that_pays_the_next_period_needs_no_card(cinema: Cinema) -> None:
    boris, its_id = await subscribed(cinema, "family", "999.00")
    await changes(boris, its_id, "basic", "299.00")
    method = (await boris.reads("/v1/payment-methods"))["items"][0]["id"]
    headers = {**_of(boris), "Idempotency-Key": f"remove {method}"}
    assert (await cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)).status_code == 200

    for left in ("401.00", "102.00"):
        await until_end(cinema, boris)
        subscription = await boris.subscription()
        assert (subscription["status"], subscription["balance"]["value"]) == ("active", left)
    await until_end(cinema, boris)

    assert (await boris.subscription())["status"] == "past_due", "what is left of it pays no whole period"
    assert (await boris.mails())[-1] == "subscription.past_due"
