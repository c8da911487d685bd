"""A payment system that answers oddly: another object, another amount, half of it, or something different each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from commands.collect_payment import CollectPayment, collect, collect_payment
from commands.settle_payment import SettlePayment, settle_payment
from commands.settle_refund import SettleRefund, settle_refund
from commands.subscribe import Subscribe, subscribe
from domain.money import Money
from domain.payment import Payment
from domain.payment_system import (
    Cancellation,
    ChargeRequest,
    PaymentSnapshot,
    ProviderStatus,
    Redirect,
    RefundSnapshot,
    Refused,
    Silence,
    Token,
)
from domain.person import Person as Known
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import cases, inbox, payments
from infrastructure.postgres.tables import payment_methods as methods
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person


async def _waiting_page(cinema: Cinema, person: Person) -> dict[str, Any]:
    return dict((await person.subscribes("premium", "499.00", card=None)).json()["payment"])


async def _written(cinema: Cinema, person: Person, choice: Token | Redirect) -> Payment:
    """The intent to charge is committed, and nobody has been asked for the money yet."""
    command = Subscribe(Known(person.id), "premium", Money(49900), choice, "yookassa")
    async with cinema.service.transactions()() as uow:
        written = await subscribe(command, uow, cinema.service.world)
    assert isinstance(written, Payment)
    return written


async def _there(cinema: Cinema, payment: dict[str, Any]) -> PaymentSnapshot:
    system = await cinema.service.world.payment_systems.by_code("yookassa")
    found = await system.get_payment(payment["provider_payment_id"])
    assert isinstance(found, PaymentSnapshot)
    return found


async def _settle(cinema: Cinema, payment: dict[str, Any], said: PaymentSnapshot) -> Payment:
    command = SettlePayment(UUID(payment["id"]), said)
    return await settle_payment(command, cinema.service.transactions(), cinema.service.world)


async def _forget_its_id(cinema: Cinema, payment: dict[str, Any]) -> None:
    async with cinema.service.engine.begin() as connection:
        row = update(payments).where(payments.c.id == UUID(payment["id"]))
        await connection.execute(row.values(provider_payment_id=None, confirmation_url=None))


async def _cases_of(cinema: Cinema, payment: dict[str, Any]) -> set[str]:
    async with cinema.service.engine.connect() as connection:
        query = select(cases.c.kind).where(cases.c.subject == payment["id"], cases.c.resolved_at.is_(None))
        return set((await connection.execute(query)).scalars())


async def test_an_answer_that_is_another_payments_object_leaves_this_one_unknown(cinema: Cinema) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    hers, his = await _waiting_page(cinema, anna), await _waiting_page(cinema, boris)
    await _forget_its_id(cinema, his)

    settled = await _settle(cinema, his, replace(await _there(cinema, hers), payment_id=None))

    assert (settled.status.value, settled.provider_payment_id) == ("unknown", None)
    assert await _cases_of(cinema, his) == {"payment_foreign"}
    assert (await anna.reads(f"/v1/payments/{hers['id']}"))["status"] == "pending"


async def test_an_answer_that_names_another_payment_leaves_this_one_unknown(cinema: Cinema) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    hers, his = await _waiting_page(cinema, anna), await _waiting_page(cinema, boris)
    await _forget_its_id(cinema, his)

    settled = await _settle(cinema, his, await _there(cinema, hers))

    assert settled.status.value == "unknown"
    assert await _cases_of(cinema, his) == {"payment_foreign"}


async def test_what_was_canceled_there_is_over_whatever_the_amount(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = await _waiting_page(cinema, anna)
    there = await _there(cinema, sale)

    why = Cancellation("expired_on_confirmation", "yoo_money")
    said = replace(there, amount=Money(1), status=ProviderStatus.CANCELED, cancellation=why)
    settled = await _settle(cinema, sale, said)

    assert settled.status.value == "canceled"
    assert (await anna.subscription())["status"] == "expired"


async def test_money_over_another_amount_is_shown_to_a_person_and_asked_for_by_its_id(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = await _waiting_page(cinema, anna)
    there = await _there(cinema, sale)
    await _forget_its_id(cinema, sale)

    said = replace(there, amount=Money(1), status=ProviderStatus.SUCCEEDED)
    settled = await _settle(cinema, sale, said)

    assert (settled.status.value, settled.provider_payment_id) == ("unknown", there.provider_payment_id)
    assert await _cases_of(cinema, sale) == {"payment_amount_differs"}


async def test_money_that_is_held_and_not_taken_is_shown_to_a_person_until_it_is(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = await _waiting_page(cinema, anna)

    await _settle(cinema, sale, replace(await _there(cinema, sale), needs_capture=True))
    held = await _cases_of(cinema, sale)
    await _settle(cinema, sale, replace(await _there(cinema, sale), status=ProviderStatus.SUCCEEDED))

    assert held == {"payment_needs_capture"}
    assert await _cases_of(cinema, sale) == set()


async def test_an_answer_that_is_another_refunds_object_leaves_this_one_unknown(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()["payment"]
    made = []
    for value in ("10.00", "20.00"):
        body = {"payment_id": sale["id"], "amount": {"value": value, "currency": "RUB"}, "reason": "x"}
        made.append((await cinema.as_service("POST", "/internal/v1/refunds", body)).json()["refund"])
        if len(made) == 1:
            await cinema.works()
    [first, *_] = (await cinema.yookassa.ledger()).refunds_of(sale["provider_payment_id"])
    said = RefundSnapshot(
        first["id"], sale["provider_payment_id"], ProviderStatus.SUCCEEDED, Money(2000), None, refund_id=None
    )

    command = SettleRefund(UUID(made[1]["id"]), said)
    settled = await settle_refund(command, cinema.service.transactions(), cinema.service.world)

    assert settled.status.value == "unknown"
    await cinema.time_passes(hours=1)
    payment = await anna.reads(f"/v1/payments/{sale['id']}")
    assert payment["refunded"]["value"] == "30.00"


async def test_a_repeated_request_in_other_words_is_looked_up_instead(cinema: Cinema) -> None:
    """As after a release that words descriptions otherwise: the same key with another body is refused."""
    anna = await cinema.person()
    await cinema.yookassa.fault("create_payment", "error_500", when="after")
    sale = (await anna.subscribes("premium", "499.00")).json()["payment"]
    assert sale["status"] == "unknown"
    async with cinema.service.engine.begin() as connection:
        row = update(payments).where(payments.c.id == UUID(sale["id"]))
        await connection.execute(row.values(description="in other words"))

    await collect_payment(CollectPayment(UUID(sale["id"])), cinema.service.transactions(), cinema.service.world)

    assert (await anna.reads(f"/v1/payments/{sale['id']}"))["status"] == "succeeded"
    assert await anna.charged() == ["499.00"]


async def test_a_removed_card_that_its_owner_enters_anew_is_charged_again(cinema: Cinema) -> None:
    """Where the payment system knows a card by one id, the removed method comes back with its owner's consent."""
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    method = sale["payment"]["payment_method"]["id"]
    headers = {"Authorization": f"Bearer {anna.token}", "Idempotency-Key": "remove"}
    assert (await cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)).status_code == 200
    await cinema.time_passes(days=29)
    async with cinema.service.engine.connect() as connection:
        query = select(methods.c.provider_method_id).where(methods.c.id == UUID(method))
        provider_method_id = (await connection.execute(query)).scalar_one()
    await cinema.time_passes(days=3)
    await cinema.yookassa.lift()
    way = {"payment": {"type": "redirect", "return_url": "https://cinema.example/back"}}
    owed = (await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/payments", way)).json()["payment"]
    await cinema.yookassa.pay(owed["provider_payment_id"], GOOD_CARD)
    there = await _there(cinema, owed)
    assert there.method is not None
    said = replace(there, method=replace(there.method, provider_method_id=provider_method_id))

    await _settle(cinema, owed, said)

    assert [one["id"] for one in (await anna.reads("/v1/payment-methods"))["items"]] == [method]
    assert (await anna.subscription())["payment_method"]["id"] == method


async def test_a_process_that_stood_still_before_it_sent_a_charge_sends_nothing_while_another_is_at_it(
    cinema: Cinema,
) -> None:
    world, person = cinema.service.world, await cinema.person()
    written = await _written(cinema, person, Token(await cinema.yookassa.token(GOOD_CARD)))
    stale = replace(written)

    cinema.clock.move(timedelta(hours=1))
    async with cinema.service.engine.begin() as connection:
        claimed = update(payments).where(payments.c.id == written.id)
        await connection.execute(claimed.values(claimed_until=func.clock_timestamp() + timedelta(seconds=50)))
    settled = await collect(stale, cinema.service.transactions(), world)

    assert settled.status.value == "pending"
    assert await person.charged() == []


async def test_who_sends_nonsense_again_and_again_does_not_fill_the_queue_of_cases(cinema: Cinema) -> None:
    anna = await cinema.person()
    price = {"value": "499.00", "currency": "RUB"}
    await cinema.sells("premium", "499.00")
    body = {"plan_code": "premium", "price": price, "payment": {"type": "token", "payment_token": "nonsense"}}
    for _ in range(3):
        reply = await anna.posts("/v1/subscriptions", body)
        assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "canceled")

    async with cinema.service.engine.connect() as connection:
        mine = select(cases.c.subject, cases.c.seen, cases.c.detail).where(cases.c.kind == "payment_reason_unknown")
        found = (await connection.execute(mine.where(cases.c.user_id == anna.id))).all()
    [(subject, seen, detail)] = found
    assert (subject, seen) == ("invalid_request", 3)
    assert detail == "It was canceled for 'invalid_request', which nobody here knows.", "their words may repeat a token"


async def test_why_a_renewal_was_refused_stands_in_its_case_word_for_word(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, _ = await cinema.subscriber()

    async def refuse(self: YooKassa, request: ChargeRequest) -> Refused:
        return Refused("invalid_request", "Receipt is missing or illegal")

    monkeypatch.setattr(YooKassa, "create_payment", refuse)
    await cinema.time_passes(days=32)

    async with cinema.service.engine.connect() as connection:
        mine = select(cases.c.detail).where(cases.c.kind == "payment_reason_unknown", cases.c.user_id == anna.id)
        [detail] = (await connection.execute(mine)).scalars()
    assert detail.endswith("Receipt is missing or illegal")


async def test_of_two_who_would_send_the_same_at_once_only_one_does(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulation's seed 1, world 56: one was refused and gave up what the other one got through."""
    world, person = cinema.service.world, await cinema.person()
    written = await _written(cinema, person, Token(await cinema.yookassa.token(GOOD_CARD)))
    sent: list[UUID] = []

    async def refuse(self: YooKassa, request: ChargeRequest) -> Refused:
        sent.append(request.payment_id)
        if len(sent) < 5:  # the person's next try under the same key, while the janitor's request is under way
            again = await collect_payment(CollectPayment(written.id), cinema.service.transactions(), world)
            assert again.is_open
        return Refused("invalid_request", "so it was decided")

    monkeypatch.setattr(YooKassa, "create_payment", refuse)
    await cinema.time_passes(minutes=3)

    assert sent == 2 * [written.id]  # the janitor's two: a 'no' is believed when it was said again
    assert (await person.reads(f"/v1/payments/{written.id}"))["status"] == "canceled"


async def test_a_refusal_is_not_believed_by_a_process_that_stood_still_while_the_janitor_sent_it(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, person = cinema.service.world, await cinema.person()
    written = await _written(cinema, person, Redirect("https://cinema.example/back"))
    stale = replace(written)
    whole = YooKassa.create_payment

    async def slowly(self: YooKassa, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        monkeypatch.setattr(YooKassa, "create_payment", whole)
        await cinema.time_passes(hours=16)  # the janitor sends it, and the page runs out or is paid meanwhile
        return Refused("invalid_request", "so it was decided")

    monkeypatch.setattr(YooKassa, "create_payment", slowly)
    settled = await collect(stale, cinema.service.transactions(), world)

    assert settled.cancellation is not None
    assert settled.cancellation.reason == "expired_on_confirmation"  # what became of it there, not the refusal


async def test_a_notification_whose_object_cannot_be_read_now_is_followed_again_soon(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = await _waiting_page(cinema, anna)
    await cinema.time_passes(minutes=40)  # the janitor has looked often, and looks seldom by now
    await cinema.yookassa.fault("get_payment", "error_500")
    await cinema.yookassa.fault("list_payments", "error_500")
    await cinema.yookassa.pay(sale["provider_payment_id"], GOOD_CARD)
    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": sale["provider_payment_id"]}}
    assert (await cinema.api.post("/webhooks/yookassa?from=elsewhere", json=told)).status_code == 200
    await cinema.sweeps.inbox()

    async with cinema.service.engine.begin() as connection:
        entry = (inbox.c.provider_object_id == sale["provider_payment_id"]) & (inbox.c.status == "new")
        soon = select(inbox.c.retry_by < func.clock_timestamp() + timedelta(seconds=5)).where(entry)
        assert (await connection.execute(soon)).scalars().all() == [True]
        await connection.execute(update(inbox).where(entry).values(retry_by=func.clock_timestamp()))
    await cinema.sweeps.inbox()

    assert (await anna.reads(f"/v1/payments/{sale['id']}"))["status"] == "succeeded"


async def test_of_many_who_tell_the_same_untruth_one_waits_and_the_others_are_asked_about_once(cinema: Cinema) -> None:
    """Whoever knows an open payment's id must not set how often the payment system is asked."""
    boris = await cinema.person()
    sale = await _waiting_page(cinema, boris)
    for number in range(20):
        about = {"id": sale["provider_payment_id"], "number": number}
        forged = {"type": "notification", "event": "payment.succeeded", "object": about}
        assert (await cinema.api.post("/webhooks/yookassa", json=forged)).status_code == 200
    await cinema.sweeps.inbox()

    async with cinema.service.engine.connect() as connection:
        query = select(inbox.c.status).where(inbox.c.provider_object_id == sale["provider_payment_id"])
        statuses = list((await connection.execute(query)).scalars())
    assert sorted(statuses) == ["done"] * 19 + ["new"]
