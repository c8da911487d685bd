"""Every kind of answer and notification is what YooKassa's own description says."""

from __future__ import annotations

from tests.infrastructure.simulators.yookassa.contract import misfits, notification_misfits
from tests.infrastructure.simulators.yookassa.shop import (
    NO_MONEY,
    SUCCEEDS,
    WITH_BANK_STEP,
    Mailbox,
    Shop,
    binding,
    charge,
    ok,
    page_payment,
)


async def test_a_payment_at_each_stage_of_its_life(shop: Shop) -> None:
    pending = await shop.pay(description="Подписка", metadata={"payment_id": "1"}, merchant_customer_id="u1")
    await shop.control.pay(pending["id"], WITH_BANK_STEP)
    held = await shop.pay_with(SUCCEEDS, capture=False)
    captured = ok(await shop.post(f"/payments/{held['id']}/capture", {}))
    declined = await shop.pay_with(NO_MONEY)
    left = await shop.pay()
    await shop.control.leave(left["id"])
    recurring = await shop.recur(await shop.saved_method())
    released = ok(await shop.post(f"/payments/{(await shop.pay_with(SUCCEEDS, capture=False))['id']}/cancel", None))

    paid = await shop.payment(pending["id"])
    canceled = await shop.payment(left["id"])
    for payment in (pending, paid, held, captured, declined, canceled, recurring, released):
        assert misfits("Payment", payment) == []
    stages = [each["status"] for each in (pending, paid, held, captured, declined, canceled, recurring, released)]
    assert stages == [
        "pending", "succeeded", "waiting_for_capture", "succeeded", "canceled", "canceled", "succeeded", "canceled",
    ]  # fmt: skip


async def test_a_refund_in_each_of_its_outcomes(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    done = ok(await shop.refund(payment["id"], "100.00", description="Часть", metadata={"refund_id": "1"}))
    await shop.control.fault("create_refund", "refund_pending")
    pending = ok(await shop.refund(payment["id"], "50.00"))
    await shop.control.fault("create_refund", "refund_canceled", reason="insufficient_funds")
    canceled = ok(await shop.refund(payment["id"], "50.00"))

    assert [each["status"] for each in (done, pending, canceled)] == ["succeeded", "pending", "canceled"]
    for refund in (done, pending, canceled, ok(await shop.get(f"/refunds/{done['id']}"))):
        assert misfits("Refund", refund) == []


async def test_a_bound_card_before_and_after(shop: Shop) -> None:
    pending = ok(await shop.post("/payment_methods", binding(metadata={"payment_id": "1"})))
    await shop.control.pay(pending["id"], SUCCEEDS)
    active = ok(await shop.get(f"/payment_methods/{pending['id']}"))
    given_up = ok(await shop.post("/payment_methods", binding()))
    await shop.control.leave(given_up["id"])
    inactive = ok(await shop.get(f"/payment_methods/{given_up['id']}"))

    assert [each["status"] for each in (pending, active, inactive)] == ["pending", "active", "inactive"]
    assert (active["saved"], active["title"]) == (True, "Bank card *1111")
    for method in (pending, active, inactive):
        assert misfits("SavePaymentMethodBankCard", method) == []


async def test_lists_and_the_shop_itself(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    await shop.refund(payment["id"], "10.00")
    await shop.pay()
    assert misfits("PaymentList", ok(await shop.get("/payments", limit="1"))) == []
    assert misfits("PaymentList", ok(await shop.get("/payments"))) == []
    assert misfits("RefundList", ok(await shop.get("/refunds"))) == []
    assert misfits("Me", ok(await shop.get("/me"))) == []


async def test_each_kind_of_refusal(shop: Shop) -> None:
    raw = {"type": "bank_card", "card": {"number": SUCCEEDS, "expiry_month": "12", "expiry_year": "2030"}}
    refusals = {
        "BadRequest": await shop.post("/payments", {}),
        "Forbidden": await shop.post("/payments", page_payment(payment_method_data=raw)),
        "NotFound": await shop.get("/payments/22e12f66-000f-5000-8000-18db351245c7"),
        "InvalidCredentials": await shop.client.get(f"{shop.simulator.api_url}/payments", auth=("100500", "wrong")),
    }
    await shop.control.fault("create_payment", "too_many_requests", retry_after=3)
    refusals["TooManyRequests"] = await shop.post("/payments", charge())
    statuses = {name: answer.status_code for name, answer in refusals.items()}
    assert statuses == {
        "BadRequest": 400, "Forbidden": 403, "NotFound": 404, "InvalidCredentials": 401, "TooManyRequests": 429,
    }  # fmt: skip
    for name, answer in refusals.items():
        assert misfits(name, answer.json()) == []
        assert answer.json()["type"] == "error"
    assert refusals["TooManyRequests"].headers["Retry-After"] == "3"


async def test_each_kind_of_notification(shop: Shop, inbox: Mailbox) -> None:
    held = await shop.pay_with(SUCCEEDS, capture=False)
    await shop.post(f"/payments/{held['id']}/capture", {})
    await shop.pay_with(NO_MONEY)
    await shop.refund(held["id"], "1.00")
    bound = ok(await shop.post("/payment_methods", binding()))
    await shop.control.pay(bound["id"], SUCCEEDS)
    await shop.control.tick()

    assert {body["event"] for body in inbox.all} == {
        "payment.waiting_for_capture",
        "payment.succeeded",
        "payment.canceled",
        "refund.succeeded",
        "payment_method.active",
    }
    for body in inbox.all:
        assert notification_misfits(body) == []
