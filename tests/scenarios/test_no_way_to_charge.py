"""What is due and cannot be charged does not stay so for ever: somebody is asked, and everybody learns how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import cast, delete, func, insert, literal, select, update
from structlog.testing import capture_logs

from infrastructure.cards.vault import CardVault
from infrastructure.postgres.tables import (
    cases,
    mails,
    payment_methods,
    payments,
    plan_prices,
    setbacks,
    subscriptions,
)
from tests.scenarios.cinema import Cinema, Person, start_of_story


@pytest.fixture(autouse=True)
def _few_words() -> Iterator[None]:
    with capture_logs():
        yield


async def _subscribed(cinema: Cinema) -> Person:
    person = await cinema.person()
    assert (await person.subscribes("premium", "499.00")).status_code == 201
    return person


async def _write(cinema: Cinema, *statements: Any) -> None:
    async with cinema.service.engine.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


def _of(person: Person, table: Any) -> Any:
    return update(table).where(table.c.user_id == person.id)


async def _to_the_end_of_the_period(cinema: Cinema, person: Person) -> None:
    """All that was due before is done by then: it shall not meet the faults that are meant for this person."""
    end = datetime.fromisoformat((await person.subscription())["current_period"]["end"])
    cinema.clock.move(end - timedelta(minutes=1) - cinema.clock.now())
    await cinema.works()
    cinema.clock.move(timedelta(minutes=1))


async def _fails_silently(cinema: Cinema) -> list[str]:
    """Duties that raise instead of ending."""
    async with cinema.service.engine.connect() as connection:
        return list((await connection.execute(select(setbacks.c.duty))).scalars())


def _removed(person: Person) -> Any:
    return _of(person, payment_methods).values(removed_at=func.clock_timestamp(), is_default=False)


def _elsewhere(person: Person) -> Any:
    return _of(person, payment_methods).values(payment_system="imitation")


def _none(person: Person) -> Any:
    return _of(person, subscriptions).values(payment_method_id=None)


@pytest.mark.parametrize("gone", [_removed, _elsewhere, _none])
async def test_who_has_no_method_any_more_at_the_charge_is_asked_for_one(cinema: Cinema, gone: Any) -> None:
    anna = await _subscribed(cinema)
    await _write(cinema, gone(anna))
    await _to_the_end_of_the_period(cinema, anna)
    await cinema.works()

    assert (await anna.subscription())["status"] == "past_due"
    assert (await anna.mails())[-1] == "subscription.past_due"
    assert await _fails_silently(cinema) == []

    await cinema.time_passes(days=8)

    assert (await anna.subscription())["status"] == "expired"
    assert (await anna.mails()).count("subscription.past_due") == 1
    assert await anna.charged() == ["499.00"]


async def test_who_loses_the_method_between_two_tries_is_asked_for_one(cinema: Cinema) -> None:
    boris = await _subscribed(cinema)
    await _to_the_end_of_the_period(cinema, boris)
    await cinema.yookassa.fault("create_payment", "decline", reason="insufficient_funds")
    await cinema.works()
    assert (await boris.subscription())["status"] == "past_due"
    await _write(cinema, _removed(boris))

    await cinema.time_passes(days=1, minutes=1)
    assert (await boris.mails())[-2:] == ["payment.failed subscription.past_due", "subscription.past_due"]
    await cinema.time_passes(days=8)

    assert (await boris.subscription())["status"] == "expired"
    assert await boris.charged() == ["499.00"]


async def _refused(cinema: Cinema, reason: str) -> tuple[Person, str]:
    """Past due, with a saved method; and that method's id."""
    person = await _subscribed(cinema)
    await _to_the_end_of_the_period(cinema, person)
    await cinema.yookassa.fault("create_payment", "decline", reason=reason)
    await cinema.works()
    subscription = await person.subscription()
    assert subscription["status"] == "past_due"
    return person, subscription["payment_method"]["id"]


async def _removes(person: Person, method: str) -> None:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": uuid4().hex}
    reply = await person.cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)
    assert reply.status_code == 200, reply.text


async def _told_to_pay_until(cinema: Cinema, person: Person) -> list[str | None]:
    async with cinema.service.engine.connect() as connection:
        query = select(mails.c.facts["pay_until"].astext).where(mails.c.user_id == person.id).order_by(mails.c.id)
        return list((await connection.execute(query)).scalars())


async def test_who_removes_the_method_between_two_tries_is_told_until_when_to_pay(cinema: Cinema) -> None:
    galina, method = await _refused(cinema, "insufficient_funds")
    await _removes(galina, method)
    until = cinema.clock.now() + timedelta(days=7)

    assert (await galina.mails())[-2:] == ["payment.failed subscription.past_due", "subscription.past_due"]
    assert (await _told_to_pay_until(cinema, galina))[-1] == until.isoformat().replace("+00:00", "Z")
    await cinema.time_passes(days=6, hours=23)
    assert (await galina.subscription())["status"] == "past_due"
    await cinema.time_passes(hours=1)
    assert (await galina.subscription())["status"] == "expired"
    assert await galina.charged() == ["499.00"]


async def test_who_was_asked_already_wins_no_days_by_removing_the_method(cinema: Cinema) -> None:
    denis, method = await _refused(cinema, "card_expired")
    mails_before = await denis.mails()
    await cinema.time_passes(days=6)
    await _removes(denis, method)

    await cinema.time_passes(hours=23)
    assert (await denis.subscription())["status"] == "past_due"
    await cinema.time_passes(hours=1)
    assert (await denis.subscription())["status"] == "expired"
    assert await denis.mails() == [*mails_before, "subscription.expired"]


async def test_who_removes_the_method_while_a_try_is_under_way_is_asked_once_it_is_refused(cinema: Cinema) -> None:
    raisa, method = await _refused(cinema, "insufficient_funds")
    await cinema.yookassa.fault("create_payment", "payment_pending")
    await cinema.time_passes(days=1)
    [under_way] = [one["id"] for one in (await cinema.yookassa.ledger()).payments if one["status"] == "pending"]
    await _removes(raisa, method)
    assert (await raisa.mails())[-1] == "payment.failed subscription.past_due"

    await cinema.yookassa.settle_payment(under_way, "insufficient_funds")
    await cinema.time_passes(hours=1)

    assert (await raisa.mails())[-1] == "payment.failed"
    assert (await _told_to_pay_until(cinema, raisa))[-1] is not None
    await cinema.time_passes(days=7)
    assert (await raisa.subscription())["status"] == "expired"
    assert await raisa.charged() == ["499.00"]


async def test_a_method_that_came_meanwhile_is_charged(cinema: Cinema) -> None:
    """Asked for a method at once with the charge: whoever comes second finds it done."""
    vera = await _subscribed(cinema)
    await _to_the_end_of_the_period(cinema, vera)
    await _write(cinema, _removed(vera))
    await cinema.works()
    subscription_id = (await vera.subscription())["id"]

    token = await cinema.yookassa.token("5555555555554444")
    body = {"payment": {"type": "token", "payment_token": token}}
    reply = await vera.posts(f"/v1/subscriptions/{subscription_id}/payments", body)
    assert reply.status_code == 201, reply.text
    await cinema.works()

    assert (await vera.subscription())["status"] == "active"
    await cinema.time_passes(days=32)
    assert await vera.charged() == ["499.00"] * 3


def _system_unknown(person: Person) -> tuple[Any, Any]:
    mine = _of(person, subscriptions)
    return mine.values(payment_system="no_such"), mine.values(payment_system="yookassa")


def _plan_without_a_price(person: Person) -> tuple[Any, Any]:
    plan = select(subscriptions.c.plan_id).where(subscriptions.c.user_id == person.id).scalar_subquery()
    price = {"valid_from": datetime(2026, 1, 1, tzinfo=UTC), "amount": 49900, "currency": "RUB"}
    return delete(plan_prices).where(plan_prices.c.plan_id == plan), insert(plan_prices).values(plan_id=plan, **price)


def _payment_open_unnoticed(person: Person) -> tuple[Any, Any]:
    """A row that no command leaves behind: the schema stops the second payment."""
    changed: dict[str, Any] = {"status": "unknown", "period_number": 7, "settled_at": None, "provider_payment_id": None}
    far = datetime.now(UTC) + timedelta(minutes=90)  # the janitor has looked at it, and will again
    changed |= {"id": uuid4(), "period_start": None, "period_end": None}
    changed |= {"ask_again_at": start_of_story() + timedelta(days=3650), "ask_again_by": far}
    names = [column.name for column in payments.c]
    values = [
        cast(literal(changed[name]), payments.c[name].type) if name in changed else payments.c[name] for name in names
    ]
    copied = insert(payments).from_select(names, select(*values).where(payments.c.user_id == person.id))
    mend = _of(person, payments).where(payments.c.status == "unknown")
    ended = {"status": "canceled", "settled_at": func.clock_timestamp(), "cancel_reason": "by_hand"}
    return copied, mend.values(**ended, ask_again_at=None, ask_again_by=None)


@pytest.mark.parametrize("broken", [_system_unknown, _plan_without_a_price, _payment_open_unnoticed])
async def test_what_cannot_be_charged_for_a_reason_of_ours_is_a_case_and_charged_once_that_is_mended(
    cinema: Cinema, broken: Any
) -> None:
    gleb = await _subscribed(cinema)
    breaks, mends = broken(gleb)
    await _to_the_end_of_the_period(cinema, gleb)
    await _write(cinema, breaks)
    seen = []
    for minutes in (0, 1, 5, 25):
        cinema.clock.move(timedelta(minutes=minutes))
        await cinema.sweeps.renewals()
        async with cinema.service.engine.connect() as connection:
            query = select(cases.c.kind).where(cases.c.user_id == gleb.id, cases.c.resolved_at.is_(None))
            seen.append(list((await connection.execute(query)).scalars()))
    assert seen == [[], [], ["renewal_stuck"], ["renewal_stuck"]]
    assert await gleb.charged() == ["499.00"]

    await _write(cinema, mends)
    cinema.clock.move(timedelta(hours=1))
    await cinema.works()

    assert await gleb.charged() == ["499.00"] * 2
    assert (await gleb.subscription())["status"] == "active"
    assert await cinema.open_cases() == []


@pytest.mark.parametrize(("arrived", "ends"), [(False, "expired"), (True, "active")])
async def test_a_token_whose_key_is_gone_is_looked_for_and_ends(cinema: Cinema, arrived: bool, ends: str) -> None:
    """It cannot be sent again, and nobody knows whether it was sent: the list says it, once the key is forgotten there.

    That is after a day and its margin of an hour; the janitor looks once an hour and a fifth, at the least.
    """
    dina = await cinema.person()
    world = cinema.service.world
    when = "after" if arrived else "before"
    await cinema.yookassa.fault("create_payment", "error_500", when=when)
    assert (await dina.subscribes("premium", "499.00")).status_code == 202
    cinema.service.world = replace(world, vault=CardVault([("another", bytes(range(32)))]))
    try:
        await cinema.time_passes(hours=2)
        assert await _fails_silently(cinema) == []
        await cinema.time_passes(hours=25)
    finally:
        cinema.service.world = world

    assert (await dina.subscription())["status"] == ends
    assert len(await dina.mails()) == 1
    assert await dina.charged() == ["499.00"] * arrived


async def test_a_reminder_of_no_charge_is_dropped(cinema: Cinema) -> None:
    """Else it stood before all others for ever."""
    egor = await _subscribed(cinema)
    now = cinema.clock.now()
    await _write(cinema, _of(egor, subscriptions).values(remind_at=now, next_charge_at=None))

    assert await cinema.sweeps.reminders() == 1
    assert await cinema.sweeps.reminders() == 0


async def test_what_the_payment_system_never_ends_is_shown_to_a_person(cinema: Cinema) -> None:
    """It is no silence, and yet nothing goes on: the subscription is neither charged nor returned."""
    zhanna, igor = await _subscribed(cinema), await _subscribed(cinema)
    await cinema.yookassa.fault("create_refund", "refund_pending")
    await igor.posts(f"/v1/subscriptions/{(await igor.subscription())['id']}/refunds", {})
    await cinema.works()
    await _to_the_end_of_the_period(cinema, zhanna)
    await cinema.yookassa.fault("create_payment", "payment_pending")
    await cinema.sweeps.renewals()

    async def seen(person: Person) -> list[str]:
        query = select(cases.c.kind).where(cases.c.user_id == person.id, cases.c.resolved_at.is_(None))
        async with cinema.service.engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    cinema.clock.move(timedelta(days=2))
    await cinema.works()
    assert await seen(zhanna) == []
    cinema.clock.move(timedelta(days=1))
    await cinema.works()
    assert [await seen(zhanna), await seen(igor)] == [["payment_unresolved"], ["refund_unresolved"]]

    ledger = await cinema.yookassa.ledger()
    [charge] = [one["id"] for one in ledger.payments if one["status"] == "pending"]
    [refund] = [one["id"] for one in ledger.refunds if one["status"] == "pending"]
    await cinema.yookassa.settle_payment(charge)
    await cinema.yookassa.settle_refund(refund)
    await cinema.time_passes(hours=1)
    assert [await seen(zhanna), await seen(igor)] == [[], []]
    assert await zhanna.charged() == ["499.00"] * 2
