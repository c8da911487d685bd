"""A plan that anything in the books names is archived, never deleted."""

from __future__ import annotations

from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema


async def test_a_plan_that_nothing_names_is_deleted(cinema: Cinema) -> None:
    await cinema.sells("never-bought", "10.00")
    reply = await cinema.as_admin("DELETE", "/internal/v1/plans/never-bought")
    assert reply.status_code == 204, reply.text


async def test_a_plan_that_only_a_refused_change_names_is_archived(cinema: Cinema) -> None:
    await cinema.sells("once-wanted", "999.00")
    anna = await cinema.person()
    its_id = (await anna.subscribes("premium", "499.00")).json()["subscription"]["id"]
    body = {
        "plan_code": "once-wanted",
        "price": {"value": "999.00", "currency": "RUB"},
        "payment": {"type": "token", "payment_token": await cinema.yookassa.token(POOR_CARD)},
    }
    refused = (await anna.posts(f"/v1/subscriptions/{its_id}/change-plan", body)).json()["payment"]
    assert refused["status"] == "canceled"

    reply = await cinema.as_admin("DELETE", "/internal/v1/plans/once-wanted")

    assert (reply.status_code, reply.json()["available"]) == (200, False), reply.text
    assert (await anna.reads(f"/v1/payments/{refused['id']}"))["plan"]["code"] == "once-wanted"


async def test_a_plan_that_only_a_trial_names_is_archived_and_its_trial_is_not_had_again(cinema: Cinema) -> None:
    await cinema.sells("once-tried", "499.00", trial_days=14)
    await cinema.sells("month", "299.00")
    boris = await cinema.person()
    body = {
        "plan_code": "once-tried",
        "price": {"value": "499.00", "currency": "RUB"},
        "payment": {"type": "redirect", "return_url": "https://cinema.example/back"},
    }
    sale = (await boris.posts("/v1/subscriptions", body)).json()
    await cinema.yookassa.pay(sale["payment"]["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=2)
    change = {"plan_code": "month", "price": {"value": "299.00", "currency": "RUB"}}
    await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/change-plan", change)
    assert (await boris.subscription())["plan"]["code"] == "month"

    reply = await cinema.as_admin("DELETE", "/internal/v1/plans/once-tried")

    assert (reply.status_code, reply.json()["available"]) == (200, False), reply.text
