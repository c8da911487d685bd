"""The shop hears of every change, until it has said 200."""

from __future__ import annotations

import asyncio

import pytest

from tests.infrastructure.simulators.yookassa.shop import SUCCEEDS, HandClock, Mailbox, Shop, ok


async def test_a_change_is_told_at_once(shop: Shop, inbox: Mailbox) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    body = await inbox.next(timeout_s=1)
    assert (body["event"], body["object"]) == ("payment.succeeded", payment)


@pytest.mark.parametrize("refusal", [201, 204, 302, 400, 404, 500, 503])
async def test_anything_but_200_is_told_again(shop: Shop, inbox: Mailbox, refusal: int) -> None:
    inbox.answers = [refusal]
    payment = await shop.pay_with(SUCCEEDS)
    await inbox.next()
    await shop.control.tick()
    assert (await inbox.next())["object"]["id"] == payment["id"]
    await shop.control.tick()
    assert len(inbox.all) == 2
    note = (await shop.control.notifications(payment["id"]))[0]
    assert (note["status"], note["tries"], note["last_answer"]) == ("delivered", 2, "200")


async def test_it_is_told_again_without_a_tick(shop: Shop, inbox: Mailbox) -> None:
    inbox.answers = [500]
    await shop.pay_with(SUCCEEDS)
    await inbox.next()
    await inbox.next(timeout_s=4)


async def test_after_24_hours_it_is_given_up(shop: Shop, inbox: Mailbox, clock: HandClock) -> None:
    inbox.answers = [500] * 100
    payment = await shop.pay_with(SUCCEEDS)
    clock.advance(hours=24)
    await shop.control.tick()
    assert (await shop.control.notifications(payment["id"]))[0]["status"] == "pending"
    clock.advance(seconds=1)
    await shop.control.tick()
    assert (await shop.control.notifications(payment["id"]))[0]["status"] == "given_up"
    told = len(inbox.all)
    await shop.control.tick()
    assert len(inbox.all) == told


async def test_a_canceled_refund_is_not_told(shop: Shop, inbox: Mailbox) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    await shop.control.fault("create_refund", "refund_canceled")
    ok(await shop.refund(payment["id"], "1.00"))
    await shop.control.tick()
    assert [body["event"] for body in inbox.all] == ["payment.succeeded"]


async def test_an_expired_payment_is_told_by_a_tick(shop: Shop, inbox: Mailbox, clock: HandClock) -> None:
    payment = await shop.pay()
    clock.advance(hours=1)
    await shop.control.tick()
    assert [(body["event"], body["object"]["id"]) for body in inbox.all] == [("payment.canceled", payment["id"])]


async def test_a_lost_one_never_comes(shop: Shop, inbox: Mailbox) -> None:
    await shop.control.fault("notify", "lost")
    await shop.pay_with(SUCCEEDS)
    told = await shop.pay_with(SUCCEEDS)
    await shop.control.tick()
    assert [body["object"]["id"] for body in inbox.all] == [told["id"]]


async def test_a_late_one_comes_when_its_time_has_come(shop: Shop, inbox: Mailbox, clock: HandClock) -> None:
    await shop.control.fault("notify", "late", seconds=7200)
    await shop.pay_with(SUCCEEDS)
    due = await shop.control.tick()
    assert (inbox.all, due and due.hour) == ([], 14)
    clock.advance(hours=2)
    await shop.control.tick()
    assert len(inbox.all) == 1


async def test_a_doubled_one_comes_twice(shop: Shop, inbox: Mailbox) -> None:
    await shop.control.fault("notify", "doubled")
    await shop.pay_with(SUCCEEDS)
    await shop.control.tick()
    assert len(inbox.all) == 2
    assert inbox.all[0] == inbox.all[1]


async def test_reordered_ones_overtake_each_other(shop: Shop, inbox: Mailbox) -> None:
    await shop.control.fault("notify", "reordered")
    held = await shop.pay_with(SUCCEEDS, capture=False)
    ok(await shop.post(f"/payments/{held['id']}/capture", {}))
    events = [(await inbox.next())["event"] for _ in range(2)]
    assert events == ["payment.succeeded", "payment.waiting_for_capture"]


async def test_a_forged_one_says_the_opposite_of_the_truth(shop: Shop, inbox: Mailbox) -> None:
    await shop.control.fault("notify", "forged")
    payment = await shop.pay_with(SUCCEEDS)
    await shop.control.tick()
    assert {body["event"] for body in inbox.all} == {"payment.canceled", "payment.succeeded"}
    assert (await shop.payment(payment["id"]))["status"] == "succeeded"
    await shop.control.send_notification({"type": "notification", "event": "payment.succeeded", "object": {"id": "x"}})
    assert (await shop.control.tick(), inbox.all[-1]["object"]) == (None, {"id": "x"})


async def test_one_may_come_before_the_answer(shop: Shop, inbox: Mailbox) -> None:
    await shop.control.fault("create_payment", "notify_first")
    token = await shop.control.token(SUCCEEDS)
    await shop.control.fault("create_payment", "no_answer", seconds=30)
    body = {"amount": {"value": "1.00", "currency": "RUB"}, "capture": True, "payment_token": token}
    call = asyncio.create_task(shop.post("/payments", body))
    await inbox.next()
    assert not call.done()
    call.cancel()


async def test_a_shop_that_hangs_does_not_hold_an_answer_up(shop: Shop, inbox: Mailbox) -> None:
    inbox.open.clear()
    async with asyncio.timeout(2):
        paid = [(await shop.pay_with(SUCCEEDS))["id"] for _ in range(40)]
    inbox.open.set()
    await shop.control.tick()
    assert {body["object"]["id"] for body in inbox.all} == set(paid)
