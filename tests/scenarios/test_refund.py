"""Money goes back: as much as the policy gives, once."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.scenarios.cinema import Cinema


@pytest.mark.parametrize(("after_s", "returned"), [(0, "499.00"), (7 * 86400 - 1, "499.00"), (14 * 86400, None)])
async def test_the_policy_to_the_kopeck(cinema: Cinema, after_s: int, returned: str | None) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    subscription_id, period = sale["subscription"]["id"], sale["subscription"]["current_period"]
    start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
    await cinema.time_passes(seconds=after_s)
    whole = int((end - start).total_seconds())
    due = (2 * 49900 * (whole - after_s) + whole) // (2 * whole)

    preview = await anna.reads(f"/v1/subscriptions/{subscription_id}/refund-preview")
    reply = await anna.posts(f"/v1/subscriptions/{subscription_id}/refunds", {"reason": "moved away"})
    await cinema.works()

    expected = returned or f"{due // 100}.{due % 100:02d}"
    assert preview["amount"]["value"] == expected
    assert reply.status_code == 202, reply.text
    refund = await anna.reads(f"/v1/refunds/{reply.json()['refund']['id']}")
    assert (refund["status"], refund["amount"]["value"]) == ("succeeded", expected)
    assert (await anna.subscription())["status"] == "canceled"
    assert (await anna.mails())[-1] == "refund.succeeded subscription.canceled"


async def test_twenty_at_once_return_it_once(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00")).json()
    path = f"/v1/subscriptions/{sale['subscription']['id']}/refunds"

    replies = await asyncio.gather(*(boris.posts(path, {}) for _ in range(20)))
    await cinema.works()

    assert sorted(reply.status_code for reply in replies) == [202] + [409] * 19
    ledger = await cinema.yookassa.ledger()
    provider_id = sale["payment"]["provider_payment_id"]
    assert [one["amount"] for one in ledger.refunds if one["payment_id"] == provider_id] == ["499.00"]


async def test_a_refund_whose_answer_was_lost_is_returned_once(cinema: Cinema) -> None:
    vera = await cinema.person()
    sale = (await vera.subscribes("premium", "499.00")).json()
    await cinema.yookassa.fault("create_refund", "no_answer", when="after", times=1)

    await vera.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()
    assert (await vera.subscription())["status"] == "active"
    await cinema.time_passes(minutes=5)

    assert (await vera.subscription())["status"] == "canceled"
    ledger = await cinema.yookassa.ledger()
    provider_id = sale["payment"]["provider_payment_id"]
    assert [one["amount"] for one in ledger.refunds if one["payment_id"] == provider_id] == ["499.00"]


async def test_a_page_paid_after_the_cancellation_is_returned_in_full(cinema: Cinema) -> None:
    gleb = await cinema.person()
    sale = (await gleb.subscribes("premium", "499.00", card=None)).json()
    subscription_id = sale["subscription"]["id"]
    assert (await gleb.posts(f"/v1/subscriptions/{subscription_id}/cancel", {"when": "now"})).status_code == 200

    await cinema.yookassa.pay(sale["payment"]["provider_payment_id"], "5555555555554444")
    await cinema.time_passes(hours=1)

    ledger = await cinema.yookassa.ledger()
    provider_id = sale["payment"]["provider_payment_id"]
    assert [one["amount"] for one in ledger.refunds if one["payment_id"] == provider_id] == ["499.00"]
    assert (await gleb.subscription())["status"] == "canceled"
    assert (await gleb.mails())[-1] == "refund.succeeded"


async def test_a_refund_made_in_the_cabinet_is_booked_once_and_ends_the_subscription(cinema: Cinema) -> None:
    dina = await cinema.person()
    sale = (await dina.subscribes("premium", "499.00")).json()
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "499.00")
    ledger = await cinema.yookassa.ledger()
    [made] = [one for one in ledger.refunds if one["payment_id"] == sale["payment"]["provider_payment_id"]]

    for extra in ("once", "twice"):
        told = {"type": "notification", "event": "refund.succeeded", "object": {"id": made["id"], "note": extra}}
        assert (await cinema.api.post("/webhooks/yookassa", json=told)).status_code == 200
        await cinema.works()

    assert (await dina.subscription())["status"] == "canceled"
    payment = await dina.reads(f"/v1/payments/{sale['payment']['id']}")
    assert (payment["refunded"]["value"], len(payment["refunds"])) == ("499.00", 1)
    assert (await dina.mails())[-1] == "refund.succeeded subscription.canceled"


@pytest.mark.parametrize("currency", ["RUB", "USD"])
async def test_an_internal_refund_of_nothing_is_refused_and_not_taken_for_all(cinema: Cinema, currency: str) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    body = {"payment_id": sale["payment"]["id"], "amount": {"value": "0.00", "currency": currency}, "reason": "x"}

    reply = await cinema.as_service("POST", "/internal/v1/refunds", body)
    await cinema.works()

    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert (await cinema.yookassa.ledger()).refunds_of(sale["payment"]["provider_payment_id"]) == []
    assert (await anna.subscription())["status"] == "active"


async def test_the_preview_of_what_has_ended_promises_nothing(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    path = f"/v1/subscriptions/{sale['subscription']['id']}"
    assert (await anna.posts(f"{path}/cancel", {"when": "now"})).status_code == 200

    preview = await anna.reads(f"{path}/refund-preview")
    reply = await anna.posts(f"{path}/refunds", {})

    assert (preview["amount"]["value"], preview["payment_id"]) == ("0.00", None)
    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_refund")


async def test_an_id_in_another_spelling_names_the_same_call(cinema: Cinema) -> None:
    """Spelled in capitals, it was a second call under the same key, and refused as one."""
    dina = await cinema.person()
    its_id = (await dina.subscribes("premium", "499.00")).json()["subscription"]["id"]

    first = await dina.posts(f"/v1/subscriptions/{its_id}/refunds", {}, "once")
    for spelled in (its_id.upper(), its_id.replace("-", "")):
        again = await dina.posts(f"/v1/subscriptions/{spelled}/refunds", {}, "once")
        assert (again.status_code, again.content) == (202, first.content)
