"""Money goes back within its limits, and never twice."""

from __future__ import annotations

from tests.infrastructure.simulators.yookassa.shop import NO_MONEY, SUCCEEDS, HandClock, Shop, ok, rub


async def test_a_payment_is_refunded_in_parts_until_nothing_is_left(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    ok(await shop.refund(payment["id"], "100.00"))
    too_much = await shop.refund(payment["id"], "399.01")
    crumbs = await shop.refund(payment["id"], "398.01")
    ok(await shop.refund(payment["id"], "398.00"))
    ok(await shop.refund(payment["id"], "1.00"))
    again = await shop.refund(payment["id"], "1.00")
    assert [answer.status_code for answer in (too_much, crumbs, again)] == [400, 400, 400]
    assert too_much.json()["description"] == "Refund sum exceeded"
    assert crumbs.json()["description"] == "Remaining payment amount after refund must be greater than 1.00 RUB"
    assert again.json()["description"] == "Payment is already completely refunded"
    refunded = await shop.payment(payment["id"])
    assert (refunded["status"], refunded["refunded_amount"], refunded["refundable"]) == (
        "succeeded",
        rub("499.00"),
        False,
    )


async def test_only_a_payment_that_succeeded_is_refunded(shop: Shop) -> None:
    pending, declined = await shop.pay(), await shop.pay_with(NO_MONEY)
    for payment_id in (pending["id"], declined["id"], "22e12f66-000f-5000-8000-18db351245c7", "", "x"):
        answer = await shop.refund(payment_id, "1.00")
        assert (answer.status_code, answer.json()["parameter"]) == (400, "payment_id")
    assert (await shop.refund(pending["id"], "1.00", description="x" * 251)).json()["parameter"] == "description"


async def test_after_three_years_it_is_too_late(shop: Shop, clock: HandClock) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    clock.advance(days=3 * 365 + 1)
    assert (await shop.refund(payment["id"], "1.00")).status_code == 400


async def test_a_pending_refund_reserves_its_money_and_a_canceled_one_frees_it(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    await shop.control.fault("create_refund", "refund_pending")
    refund = ok(await shop.refund(payment["id"], "499.00"))
    assert (refund["status"], (await shop.payment(payment["id"]))["refunded_amount"]) == ("pending", rub("0.00"))
    assert (await shop.refund(payment["id"], "1.00")).status_code == 400
    await shop.control.settle_refund(refund["id"], "rejected_by_payee")
    ended = ok(await shop.get(f"/refunds/{refund['id']}"))
    assert ended["cancellation_details"] == {"party": "refund_network", "reason": "rejected_by_payee"}
    assert ok(await shop.refund(payment["id"], "499.00"))["status"] == "succeeded"


async def test_a_pending_refund_ends_by_itself_where_a_time_is_set(shop: Shop, clock: HandClock) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    await shop.control.fault("create_refund", "refund_pending", seconds=3600)
    refund = ok(await shop.refund(payment["id"], "100.00"))
    clock.advance(hours=1)
    assert ok(await shop.get(f"/refunds/{refund['id']}"))["status"] == "succeeded"
    assert (await shop.payment(payment["id"]))["refunded_amount"] == rub("100.00")


async def test_a_refund_can_be_canceled_at_once(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    await shop.control.fault("create_refund", "refund_canceled", reason="insufficient_funds")
    refund = ok(await shop.refund(payment["id"], "100.00"))
    assert refund["cancellation_details"] == {"party": "yoo_money", "reason": "insufficient_funds"}
    assert (await shop.payment(payment["id"]))["refunded_amount"] == rub("0.00")
