"""Money that moved outside, in an app store or by bank transfer, is recorded once and counts like any other (SUB-4)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from infrastructure.postgres.tables import cases, payments
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Person
from tests.waiting import eventually

AMOUNT = {"value": "450.00", "currency": "RUB"}


def _said(cinema: Cinema, **more: Any) -> dict[str, Any]:
    paid_at = (cinema.clock.now() - timedelta(hours=1)).isoformat()
    return {"amount": AMOUNT, "paid_at": paid_at, "source": "app-store", "reference": uuid4().hex, **more}


async def _paid(cinema: Cinema, subscription_id: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    path = f"/internal/v1/subscriptions/{subscription_id}/external-payments"
    return await cinema.as_service("POST", path, body, key)


async def _returned(
    cinema: Cinema, subscription_id: str, payment_reference: str, amount: str, **more: Any
) -> httpx.Response:
    body = {
        "amount": {"value": amount, "currency": "RUB"},
        "refunded_at": cinema.clock.now().isoformat(),
        "source": "app-store",
        "reference": uuid4().hex,
        "payment_reference": payment_reference,
        **more,
    }
    return await cinema.as_service("POST", f"/internal/v1/subscriptions/{subscription_id}/external-refunds", body)


async def _waiting_on_the_page(cinema: Cinema) -> tuple[Person, str, str]:
    """A person, their pending subscription, and the payment that waits at the payment system."""
    person = await cinema.person()
    sale = (await person.subscribes("premium", "499.00", card=None)).json()
    return person, sale["subscription"]["id"], sale["payment"]["provider_payment_id"]


async def _to_the_end_of_the_period(cinema: Cinema, person: Person) -> datetime:
    end = datetime.fromisoformat((await person.subscription())["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())
    return end


# --- payments --------------------------------------------------------------------------------------
async def test_a_wish_that_waits_on_its_page_is_activated_and_the_page_paid_later_is_returned(cinema: Cinema) -> None:
    anna, subscription_id, provider_id = await _waiting_on_the_page(cinema)
    body = _said(cinema)

    reply = await _paid(cinema, subscription_id, body)

    assert reply.status_code == 201, reply.text
    payment, subscription = reply.json()["payment"], reply.json()["subscription"]
    assert (subscription["status"], subscription["payment_method"]) == ("active", None)
    assert datetime.fromisoformat(subscription["current_period"]["start"]) == cinema.clock.now()
    assert (payment["kind"], payment["status"], payment["amount"]) == ("external", "succeeded", AMOUNT)
    assert (payment["payment_system"], payment["provider_payment_id"]) == (None, None)
    assert payment["period"] == subscription["current_period"]
    assert datetime.fromisoformat(payment["settled_at"]) == datetime.fromisoformat(body["paid_at"])
    assert await anna.mails() == ["payment.succeeded subscription.activated"]
    assert (await anna.reads(f"/v1/payments/{payment['id']}"))["kind"] == "external"
    [waiting] = [one for one in (await anna.reads("/v1/payments"))["items"] if one["kind"] == "first"]
    assert (waiting["status"], waiting["confirmation_url"]) == ("pending", None)

    await cinema.yookassa.pay(provider_id, GOOD_CARD)
    await cinema.time_passes(hours=1)

    ledger = await cinema.yookassa.ledger()
    assert [one["amount"] for one in ledger.refunds_of(provider_id)] == ["499.00"]
    assert (await anna.subscription())["current_period"] == subscription["current_period"]
    assert (await anna.mails())[1:] == ["refund.succeeded"]
    assert ("external", "succeeded", "450.00") in await anna.payments()


async def test_a_page_left_after_it_was_paid_outside_ends_nothing_and_is_not_told(cinema: Cinema) -> None:
    boris, subscription_id, provider_id = await _waiting_on_the_page(cinema)
    assert (await _paid(cinema, subscription_id, _said(cinema))).status_code == 201

    await cinema.yookassa.leave(provider_id)
    await cinema.time_passes(hours=2)

    assert (await boris.subscription())["status"] == "active"
    assert await boris.mails() == ["payment.succeeded subscription.activated"]


async def test_a_running_subscription_is_prolonged_by_one_period_and_not_charged_for_it(cinema: Cinema) -> None:
    vera, sale = await cinema.subscriber()
    end = sale["subscription"]["current_period"]["end"]

    reply = await _paid(cinema, sale["subscription"]["id"], _said(cinema))

    assert reply.json()["subscription"]["current_period"]["start"] == end
    await cinema.time_passes(days=35)
    assert await vera.charged() == ["499.00"]
    await cinema.time_passes(days=35)
    assert await vera.charged() == ["499.00"] * 2
    assert (await vera.mails())[1] == "payment.succeeded subscription.renewed"


async def test_what_is_past_due_runs_again(cinema: Cinema) -> None:
    gleb, sale = await cinema.subscriber()
    ledger = await cinema.yookassa.ledger()
    [first] = ledger.payments_of(sale["payment"]["id"])
    await cinema.yookassa.behave(first["method_id"], "insufficient_funds")
    end = await _to_the_end_of_the_period(cinema, gleb)
    await cinema.time_passes(hours=2)
    assert (await gleb.subscription())["status"] == "past_due"

    reply = await _paid(cinema, sale["subscription"]["id"], _said(cinema))

    subscription = reply.json()["subscription"]
    assert (subscription["status"], subscription["current_period"]["start"]) == (
        "active",
        end.isoformat().replace("+00:00", "Z"),
    )
    await cinema.time_passes(days=10)
    assert await gleb.charged() == ["499.00"]


@pytest.mark.parametrize("ending", ["succeeds", "is refused", "never arrived"])
async def test_a_renewal_that_nobody_knows_of_gives_way_however_it_ended(cinema: Cinema, ending: str) -> None:
    dina, sale = await cinema.subscriber()
    subscription_id = sale["subscription"]["id"]
    if ending == "is refused":
        ledger = await cinema.yookassa.ledger()
        [first] = ledger.payments_of(sale["payment"]["id"])
        await cinema.yookassa.behave(first["method_id"], "insufficient_funds")
    await _to_the_end_of_the_period(cinema, dina)
    when = "before" if ending == "never arrived" else "after"
    await cinema.yookassa.fault("create_payment", "no_answer", when=when, times=1)
    renewal = await cinema.as_service("POST", "/internal/v1/renewals", {"subscription_id": subscription_id})
    assert (renewal.status_code, renewal.json()["payment"]["status"]) == (202, "unknown")

    reply = await _paid(cinema, subscription_id, _said(cinema))

    assert reply.status_code == 201, reply.text
    paid = reply.json()["subscription"]
    told = await dina.mails()
    await cinema.time_passes(days=3)
    assert (await dina.subscription())["status"] == "active"
    assert (await dina.subscription())["current_period"] == paid["current_period"]
    ledger = await cinema.yookassa.ledger()
    mine = [one for one in ledger.payments if one["metadata"].get("user_id") == str(dina.id)]
    returned = [one["amount"] for payment in mine for one in ledger.refunds_of(payment["id"])]
    assert (await dina.charged(), returned) == (
        (["499.00"] * 2, ["499.00"]) if ending == "succeeds" else (["499.00"], [])
    )
    assert (await dina.mails())[len(told) :] == (["refund.succeeded"] if ending == "succeeds" else [])
    async with cinema.service.engine.connect() as connection:
        query = select(payments.c.status).where(payments.c.user_id == dina.id).order_by(payments.c.id)
        last = "succeeded" if ending == "succeeds" else "canceled"
        assert list((await connection.execute(query)).scalars()) == ["succeeded", last, "succeeded"]


async def test_nobody_is_sent_back_to_a_page_whose_period_was_paid_outside(cinema: Cinema) -> None:
    yana, subscription_id, _ = await _waiting_on_the_page(cinema)
    body = {"payment": {"type": "redirect", "return_url": "https://cinema.example/back"}}
    assert (await yana.posts(f"/v1/subscriptions/{subscription_id}/payments", body)).status_code == 200
    assert (await _paid(cinema, subscription_id, _said(cinema))).status_code == 201

    reply = await yana.posts(f"/v1/subscriptions/{subscription_id}/payments", body)

    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_pay")


async def test_a_charge_that_is_on_its_way_meanwhile_is_returned(cinema: Cinema) -> None:
    yuri, sale = await cinema.subscriber()
    subscription_id = sale["subscription"]["id"]
    await _to_the_end_of_the_period(cinema, yuri)
    await cinema.yookassa.fault("create_payment", "slow", seconds=1.0, times=1)
    renewing = asyncio.create_task(
        cinema.as_service("POST", "/internal/v1/renewals", {"subscription_id": subscription_id})
    )
    open_payment = select(payments.c.id).where(payments.c.user_id == yuri.id, payments.c.status == "pending")
    async with cinema.service.engine.connect() as connection:

        async def begun() -> bool:
            return (await connection.execute(open_payment)).first() is not None

        await eventually(begun)

    paid = (await _paid(cinema, subscription_id, _said(cinema))).json()["subscription"]
    renewed = await renewing
    await cinema.works()

    assert (renewed.status_code, renewed.json()["payment"]["period"]) == (200, None)
    assert (await yuri.subscription())["current_period"] == paid["current_period"]
    ledger = await cinema.yookassa.ledger()
    [back] = ledger.refunds_of(renewed.json()["payment"]["provider_payment_id"])
    assert (back["amount"], await yuri.charged()) == ("499.00", ["499.00"] * 2)
    assert (await yuri.mails())[-2:] == ["payment.succeeded subscription.renewed", "refund.succeeded"]


async def test_one_the_janitor_sends_no_more_once_it_was_paid_outside(cinema: Cinema) -> None:
    zoya, sale = await cinema.subscriber()
    subscription_id = sale["subscription"]["id"]
    await _to_the_end_of_the_period(cinema, zoya)
    await cinema.yookassa.fault("create_payment", "reset", when="before", times=1)
    renewal = await cinema.as_service("POST", "/internal/v1/renewals", {"subscription_id": subscription_id})
    payment_id = renewal.json()["payment"]["id"]
    assert (await _paid(cinema, subscription_id, _said(cinema))).status_code == 201

    await cinema.time_passes(days=2)

    assert (await cinema.yookassa.ledger()).payments_of(payment_id) == []
    assert (await zoya.reads(f"/v1/payments/{payment_id}"))["status"] == "canceled"
    assert await zoya.charged() == ["499.00"]


async def test_a_planned_cancellation_stays_planned_and_comes_at_the_new_end(cinema: Cinema) -> None:
    egor, sale = await cinema.subscriber()
    await egor.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "period_end"})

    paid = (await _paid(cinema, sale["subscription"]["id"], _said(cinema))).json()["subscription"]

    assert (paid["cancel_at_period_end"], paid["next_charge_at"]) == (True, None)
    await cinema.time_passes(days=40)
    assert (await egor.subscription())["status"] == "active"
    await cinema.time_passes(days=25)
    assert (await egor.subscription())["status"] == "canceled"
    assert await egor.charged() == ["499.00"]


async def test_what_has_ended_is_not_paid_any_more(cinema: Cinema) -> None:
    fedor, sale = await cinema.subscriber()
    await fedor.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "now"})

    reply = await _paid(cinema, sale["subscription"]["id"], _said(cinema))

    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_pay")


async def test_money_from_outside_while_a_refund_ends_the_subscription_is_shown_to_a_person(cinema: Cinema) -> None:
    galina, sale = await cinema.subscriber()
    subscription_id = sale["subscription"]["id"]
    await galina.posts(f"/v1/subscriptions/{subscription_id}/refunds", {})

    reply = await _paid(cinema, subscription_id, _said(cinema))

    assert reply.status_code == 201, reply.text
    async with cinema.service.engine.connect() as connection:
        query = select(cases.c.kind).where(cases.c.user_id == galina.id)
        assert list((await connection.execute(query)).scalars()) == ["paid_while_refunding"]
    await cinema.works()
    assert (await galina.subscription())["status"] == "canceled"


async def test_a_period_paid_outside_is_not_returned_here(cinema: Cinema) -> None:
    irina, subscription_id, _ = await _waiting_on_the_page(cinema)
    payment = (await _paid(cinema, subscription_id, _said(cinema))).json()["payment"]

    reply = await irina.posts(f"/v1/subscriptions/{subscription_id}/refunds", {})
    internal = await cinema.as_service("POST", "/internal/v1/refunds", {"payment_id": payment["id"], "reason": "x"})
    preview = await irina.reads(f"/v1/subscriptions/{subscription_id}/refund-preview")

    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_refund")
    assert (internal.status_code, internal.json()["code"]) == (409, "nothing_to_refund")
    assert preview["amount"]["value"] == "0.00"


# --- the same again --------------------------------------------------------------------------------
async def test_the_same_reference_again_is_answered_with_what_is_there(cinema: Cinema) -> None:
    kira, sale = await cinema.subscriber()
    subscription_id, body, key = sale["subscription"]["id"], _said(cinema), uuid4().hex
    first = await _paid(cinema, subscription_id, body, key)

    replayed = await _paid(cinema, subscription_id, body, key)
    again = await _paid(cinema, subscription_id, body)
    moscow = datetime.fromisoformat(body["paid_at"]) + timedelta(hours=3)
    elsewhere = await _paid(
        cinema, subscription_id, body | {"paid_at": moscow.replace(tzinfo=None).isoformat() + "+03:00"}
    )

    assert (first.status_code, replayed.status_code, replayed.content) == (201, 201, first.content)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    for reply in (again, elsewhere):
        assert reply.status_code == 200
        assert reply.json() == first.json()
    assert await kira.mails() == [
        "payment.succeeded subscription.activated",
        "payment.succeeded subscription.renewed",
    ]
    await kira.posts(f"/v1/subscriptions/{subscription_id}/cancel", {"when": "now"})
    assert (await _paid(cinema, subscription_id, body)).status_code == 200


async def test_a_reference_that_names_something_else_is_refused(cinema: Cinema) -> None:
    _, sale = await cinema.subscriber()
    _, other = await cinema.subscriber()
    subscription_id, body = sale["subscription"]["id"], _said(cinema)
    assert (await _paid(cinema, subscription_id, body)).status_code == 201

    elsewhere = await _paid(cinema, other["subscription"]["id"], body)
    dearer = await _paid(cinema, subscription_id, body | {"amount": {"value": "450.01", "currency": "RUB"}})
    dollars = await _paid(cinema, subscription_id, body | {"amount": {"value": "450.00", "currency": "USD"}})
    at_another_time = await _paid(cinema, subscription_id, body | {"paid_at": cinema.clock.now().isoformat()})
    another_source = await _paid(cinema, subscription_id, body | {"source": "bank"})

    for reply in (elsewhere, dearer, dollars, at_another_time):
        assert (reply.status_code, reply.json()["code"]) == (409, "reference_used"), reply.text
    assert another_source.status_code == 201


async def test_ten_at_once_record_one_payment(cinema: Cinema) -> None:
    lev, sale = await cinema.subscriber()
    body = _said(cinema)

    replies = await asyncio.gather(*(_paid(cinema, sale["subscription"]["id"], body) for _ in range(10)))

    assert sorted(reply.status_code for reply in replies) == [200] * 9 + [201]
    assert len({reply.json()["payment"]["id"] for reply in replies}) == 1
    assert [kind for kind, _, _ in await lev.payments()] == ["external", "first"]


async def test_one_reference_for_ten_people_at_once_pays_for_one_of_them(cinema: Cinema) -> None:
    sales = [(await cinema.subscriber())[1] for _ in range(10)]
    body = _said(cinema)

    replies = await asyncio.gather(*(_paid(cinema, sale["subscription"]["id"], body) for sale in sales))

    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 9
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} == {"reference_used"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": {"value": "0.00", "currency": "RUB"}}, "amount.value"),
        ({"amount": {"value": "-1.00", "currency": "RUB"}}, "amount.value"),
        ({"amount": {"value": "450.00", "currency": "USD"}}, "amount.currency"),
        ({"paid_at": "2027-01-01T09:00:00"}, "paid_at"),
        ({"paid_at": "2027-02-30T09:00:00Z"}, "paid_at"),
        ({"paid_at": "0001-01-01T00:00:00+14:00"}, "paid_at"),
        ({"paid_at": 1799999999}, "paid_at"),
        ({"paid_at": "9999-12-31T23:59:59Z"}, "paid_at"),
        ({"reference": " x"}, "reference"),
        ({"reference": "a\nb"}, "reference"),
        ({"source": ""}, "source"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_its_field(cinema: Cinema, wrong: dict[str, Any], field: str) -> None:
    _, subscription_id, _ = await _waiting_on_the_page(cinema)

    reply = await _paid(cinema, subscription_id, _said(cinema) | wrong)

    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert [one["field"] for one in reply.json()["errors"]] == [field]


async def test_a_clock_that_differs_by_seconds_is_no_future(cinema: Cinema) -> None:
    _, sale = await cinema.subscriber()
    soon, later = (cinema.clock.now() + timedelta(seconds=seconds) for seconds in (59, 61))

    assert (
        await _paid(cinema, sale["subscription"]["id"], _said(cinema, paid_at=later.isoformat()))
    ).status_code == 422
    assert (await _paid(cinema, sale["subscription"]["id"], _said(cinema, paid_at=soon.isoformat()))).status_code == 201


async def test_only_services_record_what_was_paid_outside(cinema: Cinema) -> None:
    mark, sale = await cinema.subscriber()
    for kind in ("external-payments", "external-refunds"):
        reply = await mark.posts(f"/internal/v1/subscriptions/{sale['subscription']['id']}/{kind}", {})
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    assert (await _paid(cinema, str(uuid4()), _said(cinema))).status_code == 404


# --- refunds ---------------------------------------------------------------------------------------
async def test_an_external_payment_returned_in_parts_ends_with_the_last(cinema: Cinema) -> None:
    nina, subscription_id, _ = await _waiting_on_the_page(cinema)
    paid = _said(cinema)
    payment = (await _paid(cinema, subscription_id, paid)).json()["payment"]

    part = await _returned(cinema, subscription_id, paid["reference"], "150.00")
    assert part.status_code == 201, part.text
    assert part.json()["subscription"]["status"] == "active"
    assert (part.json()["refund"]["status"], part.json()["refund"]["amount"]["value"]) == ("succeeded", "150.00")

    more = await _returned(cinema, subscription_id, paid["reference"], "300.01")
    assert (more.status_code, more.json()["code"]) == (409, "refund_exceeds_payment")

    rest = await _returned(cinema, subscription_id, paid["reference"], "300.00")
    assert rest.json()["subscription"]["status"] == "canceled"
    shown = await nina.reads(f"/v1/payments/{payment['id']}")
    assert (shown["refunded"]["value"], len(shown["refunds"])) == ("450.00", 2)
    assert (await nina.mails())[1:] == ["refund.succeeded", "refund.succeeded subscription.canceled"]
    events = [one["type"] for one in (await nina.reads(f"/v1/subscriptions/{subscription_id}/events"))["items"]]
    assert events[:2] == ["subscription.canceled", "refund.succeeded"]


@pytest.mark.parametrize("named", ["id", "provider_payment_id"])
async def test_a_card_payment_returned_by_bank_transfer_is_booked(cinema: Cinema, named: str) -> None:
    oleg, sale = await cinema.subscriber()

    reply = await _returned(cinema, sale["subscription"]["id"], sale["payment"][named], "499.00", source="bank")

    assert reply.status_code == 201, reply.text
    assert (await oleg.subscription())["status"] == "canceled"
    ledger = await cinema.yookassa.ledger()
    assert ledger.refunds_of(sale["payment"]["provider_payment_id"]) == []
    again = await cinema.as_service(
        "POST", "/internal/v1/refunds", {"payment_id": sale["payment"]["id"], "reason": "twice"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_refund")


async def test_an_external_refund_is_booked_once_and_its_reference_names_nothing_else(cinema: Cinema) -> None:
    _, sale = await cinema.subscriber()
    _, other = await cinema.subscriber()
    subscription_id, name = sale["subscription"]["id"], sale["payment"]["id"]
    said = {"reference": uuid4().hex, "refunded_at": cinema.clock.now().isoformat()}

    replies = await asyncio.gather(*(_returned(cinema, subscription_id, name, "100.00", **said) for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len({reply.json()["refund"]["id"] for reply in replies}) == 1
    assert (await _returned(cinema, subscription_id, name.upper(), "100.00", **said)).status_code == 200

    refused = [
        await _returned(cinema, subscription_id, name, "100.01", **said),
        await _returned(cinema, subscription_id, "another", "100.00", **said),
        await _returned(cinema, subscription_id, name, "100.00", **{**said, "refunded_at": "2027-01-01T00:00:00Z"}),
        await _returned(cinema, other["subscription"]["id"], other["payment"]["id"], "100.00", **said),
    ]
    assert {(reply.status_code, reply.json()["code"]) for reply in refused} == {(409, "reference_used")}


async def test_a_refund_names_a_payment_of_its_own_subscription(cinema: Cinema) -> None:
    _, sale = await cinema.subscriber()
    _, other = await cinema.subscriber()
    subscription_id = sale["subscription"]["id"]
    paid = _said(cinema)
    assert (await _paid(cinema, subscription_id, paid)).status_code == 201

    strangers = [
        await _returned(cinema, subscription_id, other["payment"]["id"], "1.00"),
        await _returned(cinema, subscription_id, other["payment"]["provider_payment_id"], "1.00"),
        await _returned(cinema, subscription_id, paid["reference"], "1.00", source="bank"),
        await _returned(cinema, str(uuid4()), sale["payment"]["id"], "1.00"),
    ]
    assert {(reply.status_code, reply.json()["code"]) for reply in strangers} == {(404, "not_found")}
    future = (cinema.clock.now() + timedelta(minutes=2)).isoformat()
    late = await _returned(cinema, subscription_id, paid["reference"], "1.00", refunded_at=future)
    assert (late.status_code, late.json()["errors"][0]["field"]) == (422, "refunded_at")


async def test_a_payment_that_failed_has_nothing_to_return(cinema: Cinema) -> None:
    pavel = await cinema.person()
    sale = (await pavel.subscribes("premium", "499.00", card=POOR_CARD)).json()

    reply = await _returned(cinema, sale["subscription"]["id"], sale["payment"]["id"], "1.00")

    assert (reply.status_code, reply.json()["code"]) == (409, "refund_exceeds_payment")
