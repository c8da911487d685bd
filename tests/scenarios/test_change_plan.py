"""People change plans: the unused part of what they paid counts, to the kopeck, and nobody pays twice for a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.scenarios.changes_of_plan import BACK, changes, plans, preview, subscribed, until_end
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Person

__all__ = ["plans"]


async def _until_half(cinema: Cinema, person: Person) -> None:
    """To the very middle of the person's period."""
    period = (await person.subscription())["current_period"]
    start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
    middle = start + (end - start) / 2
    await cinema.time_passes(seconds=(middle - cinema.clock.now()).total_seconds())


async def test_a_dearer_plan_costs_the_difference_and_its_full_period_begins_now(cinema: Cinema) -> None:
    anna, its_id = await subscribed(cinema)
    await _until_half(cinema, anna)
    shown = await preview(anna, its_id, "family")
    assert (shown["credit"]["value"], shown["charge"]["value"]) == ("249.50", "749.50")

    reply = await changes(anna, its_id, "family", "999.00")

    assert reply.status_code == 201, reply.text
    said = reply.json()
    assert (said["payment"]["kind"], said["payment"]["status"]) == ("plan_change", "succeeded")
    assert said["payment"]["amount"]["value"] == "749.50"
    assert said["subscription"]["plan"]["code"] == "family"
    assert said["subscription"]["current_period"] == shown["period"] == said["payment"]["period"]
    assert datetime.fromisoformat(shown["period"]["start"]) == cinema.clock.now()
    assert await anna.charged() == ["499.00", "749.50"]
    assert (await anna.mails())[-1] == "payment.succeeded subscription.plan_changed"
    await until_end(cinema, anna)
    assert (await anna.charged())[2:] == ["999.00"]  # the credit is used up


async def test_credit_that_is_larger_than_the_price_lowers_the_next_charges(cinema: Cinema) -> None:
    boris, its_id = await subscribed(cinema, "family", "999.00")

    reply = await changes(boris, its_id, "basic", "299.00")  # at once: all of the 999.00 is unused

    assert (reply.status_code, reply.json()["payment"]) == (200, None)
    assert reply.json()["subscription"]["balance"]["value"] == "700.00"
    assert (await boris.mails())[-1] == "subscription.plan_changed"
    balances = []
    for _ in range(4):
        await until_end(cinema, boris)
        balances.append((await boris.subscription())["balance"]["value"])
    assert balances == ["401.00", "102.00", "0.00", "0.00"]
    assert await boris.charged() == ["999.00", "197.00", "299.00"]
    renewed = [events for events in await boris.mails() if "subscription.renewed" in events]
    assert renewed == ["subscription.renewed"] * 2 + ["payment.succeeded subscription.renewed"] * 2


async def test_what_a_payment_system_would_not_take_is_waived(cinema: Cinema) -> None:
    await cinema.sells("nearly", "499.99")
    vera, its_id = await subscribed(cinema)

    reply = await changes(vera, its_id, "nearly", "499.99")

    assert (reply.status_code, reply.json()["payment"]) == (200, None)
    assert reply.json()["subscription"]["plan"]["code"] == "nearly"
    assert await vera.charged() == ["499.00"]


async def test_credit_that_paid_for_a_period_counts_as_paid_when_the_plan_changes_again(cinema: Cinema) -> None:
    gleb, its_id = await subscribed(cinema)
    await changes(gleb, its_id, "family", "999.00")  # 500.00 in money, 499.00 in credit
    await _until_half(cinema, gleb)

    shown = await preview(gleb, its_id, "basic")

    assert (shown["credit"]["value"], shown["balance_after"]["value"]) == ("499.50", "200.50")


async def test_another_price_than_the_current_changes_nothing(cinema: Cinema) -> None:
    dina, its_id = await subscribed(cinema)
    reply = await changes(dina, its_id, "family", "899.00")
    assert (reply.status_code, reply.json()["code"]) == (409, "price_changed")
    assert reply.json()["current_price"] == {"value": "999.00", "currency": "RUB"}
    assert (await dina.subscription())["plan"]["code"] == "premium"


async def test_a_refused_payment_leaves_the_plan_as_it_was(cinema: Cinema) -> None:
    egor, its_id = await subscribed(cinema)
    token = await cinema.yookassa.token(POOR_CARD)

    reply = await changes(egor, its_id, "family", "999.00", payment={"type": "token", "payment_token": token})

    assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "canceled")
    assert (await egor.subscription())["plan"]["code"] == "premium"
    assert (await egor.mails())[-1] == "payment.failed"
    await until_end(cinema, egor)
    assert await egor.charged() == ["499.00", "499.00"]


async def test_no_answer_changes_the_plan_once_it_is_known_and_charges_once(cinema: Cinema) -> None:
    fedor, its_id = await subscribed(cinema)
    await cinema.yookassa.fault("create_payment", "no_answer", when="after", times=1)

    reply = await changes(fedor, its_id, "family", "999.00")
    assert (reply.status_code, reply.json()["payment"]["status"]) == (202, "unknown")
    assert (await fedor.subscription())["plan"]["code"] == "premium"
    again = await changes(fedor, its_id, "family", "999.00")
    assert (again.status_code, again.json()["code"]) == (409, "payment_in_progress")
    await cinema.time_passes(hours=1)

    assert (await fedor.subscription())["plan"]["code"] == "family"
    assert await fedor.charged() == ["499.00", "500.00"]


async def test_who_cancels_while_the_page_is_open_and_pays_then_gets_the_money_back(cinema: Cinema) -> None:
    galina, its_id = await subscribed(cinema)
    page = (await changes(galina, its_id, "family", "999.00", payment=BACK)).json()["payment"]
    assert page["confirmation_url"]
    await galina.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "period_end"})

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    shown = await galina.reads(f"/v1/payments/{page['id']}")
    assert (shown["status"], shown["refunded"]["value"]) == ("succeeded", "500.00")
    assert (await galina.subscription())["plan"]["code"] == "premium"


async def test_who_subscribes_to_the_new_plan_while_the_page_is_open_pays_for_it_once(cinema: Cinema) -> None:
    irina, its_id = await subscribed(cinema)
    page = (await changes(irina, its_id, "family", "999.00", payment=BACK)).json()["payment"]
    assert (await irina.subscribes("family", "999.00")).status_code == 201

    await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    assert (await irina.reads(f"/v1/payments/{page['id']}"))["refunded"]["value"] == "500.00"
    plans = [one["plan"]["code"] for one in (await irina.reads("/v1/subscriptions"))["items"]]
    assert sorted(plans) == ["family", "premium"]


async def test_a_change_at_the_periods_end_charges_nothing_now_and_the_new_price_then(cinema: Cinema) -> None:
    kira, its_id = await subscribed(cinema)
    shown = await preview(kira, its_id, "basic", "period_end")

    reply = await changes(kira, its_id, "basic", "299.00", when="period_end")

    assert (reply.status_code, reply.json()["payment"]) == (200, None)
    assert reply.json()["subscription"]["next_plan"] == {"code": "basic", "name": "Basic"}
    assert (await kira.mails())[-1] == "subscription.plan_change_planned"
    refused = await kira.subscribes("basic", "299.00")
    assert (refused.status_code, refused.json()["subscription_id"]) == (409, its_id)
    await until_end(cinema, kira)
    subscription = await kira.subscription()
    assert (subscription["plan"]["code"], subscription["next_plan"]) == ("basic", None)
    assert subscription["current_period"] == shown["period"]
    assert await kira.charged() == ["499.00", "299.00"]


async def test_a_planned_change_is_taken_back_by_asking_for_the_present_plan(cinema: Cinema) -> None:
    lev, its_id = await subscribed(cinema)
    await changes(lev, its_id, "basic", "299.00", when="period_end")

    reply = await changes(lev, its_id, "premium", "499.00", when="period_end")

    assert (reply.status_code, reply.json()["subscription"]["next_plan"]) == (200, None)
    await until_end(cinema, lev)
    assert await lev.charged() == ["499.00", "499.00"]


async def test_a_refused_renewal_to_the_planned_plan_leaves_the_present_one_past_due(cinema: Cinema) -> None:
    mila, its_id = await subscribed(cinema)
    await changes(mila, its_id, "basic", "299.00", when="period_end")
    ledger = await cinema.yookassa.ledger()
    mine = [one for one in ledger.payments if (one.get("metadata") or {}).get("user_id") == str(mila.id)]
    await cinema.yookassa.behave(str(mine[0]["method_id"]), "insufficient_funds")

    await until_end(cinema, mila)
    subscription = await mila.subscription()
    assert (subscription["status"], subscription["plan"]["code"]) == ("past_due", "premium")
    token = await cinema.yookassa.token(GOOD_CARD)
    paid = await mila.posts(
        f"/v1/subscriptions/{its_id}/payments", {"payment": {"type": "token", "payment_token": token}}
    )

    assert paid.json()["payment"]["amount"]["value"] == "299.00"
    assert (await mila.subscription())["plan"]["code"] == "basic"


async def test_a_plan_that_the_person_has_cannot_be_changed_to(cinema: Cinema) -> None:
    nina, its_id = await subscribed(cinema)
    other = (await nina.subscribes("basic", "299.00")).json()["subscription"]["id"]
    for plan, price, owner in (("basic", "299.00", other), ("premium", "499.00", its_id)):
        reply = await changes(nina, its_id, plan, price)
        assert (reply.status_code, reply.json()["code"]) == (409, "already_subscribed")
        assert reply.json()["subscription_id"] == owner
    unknown = await changes(nina, its_id, "nowhere", "1.00")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "plan_not_found")
    stranger = await cinema.person()
    assert (await changes(stranger, its_id, "family", "999.00")).status_code == 404


async def test_a_refund_after_a_change_returns_the_money_and_says_that_credit_is_none(cinema: Cinema) -> None:
    oleg, its_id = await subscribed(cinema)
    await changes(oleg, its_id, "family", "999.00")

    preview = await oleg.reads(f"/v1/subscriptions/{its_id}/refund-preview")
    assert (preview["amount"]["value"], preview["credit_not_returned"]["value"]) == ("500.00", "499.00")
    reply = await oleg.posts(f"/v1/subscriptions/{its_id}/refunds")
    await cinema.works()

    assert reply.json()["refund"]["amount"]["value"] == "500.00"
    assert (await oleg.subscription())["status"] == "canceled"


async def test_money_that_was_given_back_gives_no_credit(cinema: Cinema) -> None:
    pavel, its_id = await subscribed(cinema)
    payment = (await pavel.reads("/v1/payments"))["items"][0]["id"]
    amount = {"value": "300.00", "currency": "RUB"}
    await cinema.as_service(
        "POST", "/internal/v1/refunds", {"payment_id": payment, "amount": amount, "reason": "a bad evening"}
    )
    await cinema.works()
    assert (await preview(pavel, its_id, "family"))["credit"]["value"] == "199.00"


async def test_a_past_due_person_may_go_on_with_a_cheaper_plan(cinema: Cinema) -> None:
    rita, its_id = await subscribed(cinema)
    ledger = await cinema.yookassa.ledger()
    mine = [one for one in ledger.payments if (one.get("metadata") or {}).get("user_id") == str(rita.id)]
    await cinema.yookassa.behave(str(mine[0]["method_id"]), "insufficient_funds")
    await until_end(cinema, rita)
    await cinema.time_passes(hours=5)

    token = await cinema.yookassa.token(GOOD_CARD)
    reply = await changes(rita, its_id, "basic", "299.00", payment={"type": "token", "payment_token": token})

    assert reply.json()["payment"]["amount"]["value"] == "299.00"
    subscription = await rita.subscription()
    assert (subscription["status"], subscription["plan"]["code"]) == ("active", "basic")
    assert datetime.fromisoformat(subscription["current_period"]["start"]) == cinema.clock.now()


async def test_a_pending_or_canceled_subscription_has_no_plan_to_change(cinema: Cinema) -> None:
    semyon = await cinema.person()
    its_id = (await semyon.subscribes("premium", "499.00", card=None)).json()["subscription"]["id"]
    reply = await changes(semyon, its_id, "family", "999.00")
    assert (reply.status_code, reply.json()["code"]) == (409, "payment_in_progress")

    tamara, hers = await subscribed(cinema)
    await tamara.posts(f"/v1/subscriptions/{hers}/cancel", {"when": "period_end"})
    for when in ("now", "period_end"):
        reply = await changes(tamara, hers, "family", "999.00", when=when)
        assert (reply.status_code, reply.json()["code"]) == (409, "not_changeable")


async def test_a_year_bought_in_the_middle_of_a_month_lasts_a_year(cinema: Cinema) -> None:
    ulyana, its_id = await subscribed(cinema)
    await _until_half(cinema, ulyana)
    reply = await changes(ulyana, its_id, "yearly", "4990.00")
    assert reply.json()["payment"]["amount"]["value"] == "4740.50"
    period = reply.json()["subscription"]["current_period"]
    start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
    assert timedelta(days=365) <= end - start <= timedelta(days=366)
