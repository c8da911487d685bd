"""A person subscribes: the money moves once, and everybody can see how it ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from domain.payment_system import ChargeRequest, PaymentSnapshot, Refused, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import idempotency_keys
from tests.scenarios.cinema import POOR_CARD, Cinema


async def test_a_good_card_buys_a_month(cinema: Cinema) -> None:
    anna = await cinema.person()

    reply = await anna.subscribes("premium", "499.00")

    assert reply.status_code == 201, reply.text
    assert reply.json()["subscription"]["status"] == "active"
    assert await anna.payments() == [("first", "succeeded", "499.00")]
    assert await anna.charged() == ["499.00"]
    assert await anna.mails() == ["payment.succeeded subscription.activated"]


async def test_the_payment_page_is_paid_and_the_notification_is_only_a_hint(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00", card=None)).json()
    assert sale["payment"]["confirmation_url"]
    provider_id = sale["payment"]["provider_payment_id"]
    forged = {"type": "notification", "event": "payment.succeeded", "object": {"id": provider_id, "paid": True}}

    assert (await cinema.api.post("/webhooks/yookassa", json=forged)).status_code == 200
    await cinema.works()
    assert (await boris.subscription())["status"] == "pending"

    await cinema.yookassa.pay(provider_id, "5555555555554444")
    true = {**forged, "object": {"id": provider_id, "status": "succeeded"}}
    for _ in range(3):
        assert (await cinema.api.post("/webhooks/yookassa", json=true)).status_code == 200
    await cinema.works()

    assert (await boris.subscription())["status"] == "active"
    assert await boris.charged() == ["499.00"]
    assert await boris.mails() == ["payment.succeeded subscription.activated"]


async def test_a_declined_card_ends_the_wish_and_the_person_is_told(cinema: Cinema) -> None:
    vera = await cinema.person()

    sale = (await vera.subscribes("premium", "499.00", card=POOR_CARD)).json()

    assert sale["payment"]["status"] == "canceled"
    assert sale["payment"]["cancellation"]["reason"] == "insufficient_funds"
    assert sale["subscription"]["status"] == "expired"
    assert await vera.charged() == []
    assert await vera.mails() == ["payment.failed subscription.expired"]
    assert (await vera.subscribes("premium", "499.00")).status_code == 201


async def test_a_left_page_ends_as_canceled(cinema: Cinema) -> None:
    gleb = await cinema.person()
    sale = (await gleb.subscribes("premium", "499.00", card=None)).json()

    await cinema.yookassa.leave(sale["payment"]["provider_payment_id"])
    await cinema.time_passes(minutes=20)

    assert (await gleb.subscription())["status"] == "expired"
    assert await gleb.mails() == ["payment.failed subscription.expired"]


async def test_another_price_than_the_current_charges_nothing(cinema: Cinema) -> None:
    dina = await cinema.person()

    reply = await dina.subscribes("premium", "399.00")

    assert (reply.status_code, reply.json()["code"]) == (409, "price_changed")
    assert reply.json()["current_price"] == {"value": "499.00", "currency": "RUB"}
    assert await dina.charged() == []


async def test_fifty_requests_with_one_key_make_one_charge_and_get_one_reply(cinema: Cinema) -> None:
    egor, key = await cinema.person(), uuid4().hex
    token = await cinema.yookassa.token("5555555555554444")
    body = {
        "plan_code": "premium",
        "price": {"value": "499.00", "currency": "RUB"},
        "payment": {"type": "token", "payment_token": token},
    }

    async def until_answered() -> httpx.Response:
        """On a slow machine the first of them may take longer than the others wait; they are told to come again."""
        while (reply := await egor.posts("/v1/subscriptions", body, key)).status_code == 409:
            assert reply.json()["code"] == "idempotency_key_in_use"
        return reply

    replies = await asyncio.gather(*(until_answered() for _ in range(50)))

    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.content for reply in replies}) == 1
    assert sum(reply.headers.get("Idempotency-Replayed") == "true" for reply in replies) == 49
    assert await egor.charged() == ["499.00"]


async def test_who_repeats_a_request_while_the_janitor_sends_it_comes_again_and_gets_the_link(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply without the link would be kept under the key, and the person would never get one by it."""
    inna, key = await cinema.person(), uuid4().hex
    asked, go_on, whole = asyncio.Semaphore(0), asyncio.Event(), YooKassa.create_payment

    async def slowly(self: YooKassa, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        asked.release()
        await go_on.wait()
        return await whole(self, request)

    async def the_lease_lapses() -> None:
        lapsed = idempotency_keys.c.leased_until - timedelta(hours=1)
        async with cinema.service.engine.begin() as connection:
            mine = update(idempotency_keys).where(idempotency_keys.c.key == key)
            await connection.execute(mine.values(leased_until=lapsed))

    monkeypatch.setattr(YooKassa, "create_payment", slowly)
    dies = asyncio.create_task(inna.subscribes("premium", "499.00", card=None, key=key))
    await asked.acquire()
    dies.cancel()
    await asyncio.gather(dies, return_exceptions=True)
    await the_lease_lapses()
    cinema.clock.move(timedelta(minutes=1))
    janitor = asyncio.create_task(cinema.sweeps.unresolved())
    await asked.acquire()

    meanwhile = await inna.subscribes("premium", "499.00", card=None, key=key)
    go_on.set()
    await janitor
    await the_lease_lapses()
    afterwards, replayed = [await inna.subscribes("premium", "499.00", card=None, key=key) for _ in range(2)]

    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_use")
    assert int(meanwhile.headers["Retry-After"]) > 0
    assert (afterwards.status_code, afterwards.json()["payment"]["status"]) == (201, "pending")
    assert afterwards.json()["payment"]["confirmation_url"]
    assert replayed.content == afterwards.content


async def test_a_key_used_with_another_body_is_refused(cinema: Cinema) -> None:
    fedor, key = await cinema.person(), uuid4().hex
    assert (await fedor.subscribes("premium", "499.00", key=key)).status_code == 201

    other = await fedor.posts("/v1/subscriptions", {"plan_code": "premium"}, key)
    assert other.status_code == 422

    again = await fedor.subscribes("premium", "499.00", key=key)  # another token is another body
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert await fedor.charged() == ["499.00"]


async def test_two_keys_at_once_make_one_subscription(cinema: Cinema) -> None:
    galina = await cinema.person()

    replies = await asyncio.gather(*(galina.subscribes("premium", "499.00") for _ in range(8)))

    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 7
    assert await galina.charged() == ["499.00"]


async def test_no_answer_after_the_charge_is_never_charged_again(cinema: Cinema) -> None:
    irina = await cinema.person()
    await cinema.yookassa.fault("create_payment", "no_answer", when="after", times=1)

    sale = await irina.subscribes("premium", "499.00")
    assert sale.status_code == 202
    assert sale.json()["payment"]["status"] == "unknown"

    await cinema.time_passes(hours=25)  # the payment system has forgotten the key by now

    assert await irina.payments() == [("first", "succeeded", "499.00")]
    assert await irina.charged() == ["499.00"]
    assert await irina.mails() == ["payment.succeeded subscription.activated"]


async def test_no_answer_before_the_charge_is_asked_again_under_the_same_key(cinema: Cinema) -> None:
    kira = await cinema.person()
    await cinema.yookassa.fault("create_payment", "reset", when="before", times=1)

    assert (await kira.subscribes("premium", "499.00")).status_code == 202
    await cinema.time_passes(minutes=1)

    assert await kira.payments() == [("first", "succeeded", "499.00")]
    assert await kira.charged() == ["499.00"]
