"""A storm of notifications changes nothing and starves nobody: a short form of `python -m tests.reliability.storm`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from domain.payment_system import PaymentSnapshot, ProviderStatus
from domain.ports import IntakeFull, ReceivedNotification
from infrastructure.ids import new_id
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.intake import PostgresIntake
from infrastructure.postgres.tables import cases, inbox
from jobs.allowance import Allowance
from tests.reliability.real_stack import real_stack
from tests.reliability.storm import play, report
from tests.scenarios.cinema import GOOD_CARD, Cinema


@pytest.mark.stack
async def test_a_storm_of_forged_and_doubled_notifications_changes_nothing() -> None:
    async with real_stack() as stack:
        outcome = await play(stack, notifications=120, rate=120, rounds=1, clients=2, pages=6)

    assert outcome.findings.differences == [], report(outcome)
    assert outcome.sent[0]["answers"] == {"200": 120}
    assert len(outcome.settled_after_s) == 6, "what was paid is settled by the true ones among them"


HALF_A_MINUTE = timedelta(seconds=30)


def told(object_id: str, event: str = "payment.succeeded", **more: Any) -> dict[str, Any]:
    return {"type": "notification", "event": event, "object": {"id": object_id, **more}}


async def waiting(cinema: Cinema) -> int:
    """How many can be looked into now: what nobody knows yet is asked for once more, in half a minute."""
    async with cinema.service.engine.connect() as connection:
        query = select(func.count()).select_from(inbox).where(inbox.c.retry_by <= func.clock_timestamp())
        return int((await connection.execute(query)).scalar_one())


async def all_are_looked_into(cinema: Cinema) -> None:
    """Strangers' among them, which are looked into so many a second only, whoever has used that up just before."""
    async with asyncio.timeout(20):
        while await waiting(cinema):
            await cinema.works()


async def some_are_looked_into(cinema: Cinema) -> int:
    """How many strangers' the first round takes that is allowed any."""
    async with asyncio.timeout(5):
        while not (some := await cinema.sweeps.strangers()):  # noqa: ASYNC110 -- it is time that allows more
            await asyncio.sleep(0.02)
    return some


async def outcome_of(cinema: Cinema, object_id: str) -> list[tuple[str, str | None, int]]:
    async with cinema.service.engine.connect() as connection:
        query = select(inbox.c.status, inbox.c.outcome, inbox.c.received).where(inbox.c.provider_object_id == object_id)
        return [tuple(row) for row in (await connection.execute(query)).all()]


async def test_a_true_notification_does_not_wait_behind_forged_ones(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00", card=None)).json()
    provider_id = sale["payment"]["provider_payment_id"]
    forged = [told(str(uuid4())) for _ in range(60)]
    await asyncio.gather(*(cinema.api.post("/webhooks/yookassa", json=one) for one in forged))
    await cinema.yookassa.pay(provider_id, GOOD_CARD)
    assert (await cinema.api.post("/webhooks/yookassa", json=told(provider_id))).status_code == 200

    assert await cinema.sweeps.inbox() == 1

    assert (await anna.subscription())["status"] == "active"
    assert await waiting(cinema) == 60
    assert await some_are_looked_into(cinema) <= 10, "however many there are, others are asked at our own pace"
    async with asyncio.timeout(20):
        while await waiting(cinema):
            await cinema.sweeps.strangers()
    assert await anna.charged() == ["499.00"]


async def test_the_same_notification_fifty_times_at_once_is_one_entry(cinema: Cinema) -> None:
    body = told(str(uuid4()))

    replies = await asyncio.gather(*(cinema.api.post("/webhooks/yookassa", json=body) for _ in range(50)))

    assert {reply.status_code for reply in replies} == {200}
    [(_, _, received)] = await outcome_of(cinema, body["object"]["id"])
    assert received == 50


async def test_nobody_is_asked_about_what_is_known_already(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00")).json()
    refund = (await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})).json()["refund"]
    await cinema.works()
    refunded = (await boris.reads(f"/v1/refunds/{refund['id']}"))["provider_refund_id"]
    paid = sale["payment"]["provider_payment_id"]
    for body in (told(paid), told(refunded, "refund.succeeded")):
        assert (await cinema.api.post("/webhooks/yookassa", json=body)).status_code == 200

    await cinema.yookassa.outage("refuse")
    try:
        assert await cinema.sweeps.inbox() == 2
    finally:
        await cinema.yookassa.lift()

    for object_id in (paid, refunded):
        [(status, outcome, _)] = await outcome_of(cinema, object_id)
        assert (status, (outcome or "").partition(":")[0]) == ("done", "no news")


async def test_forged_ones_about_what_has_ended_do_not_set_our_pace(cinema: Cinema) -> None:
    """An id is no secret to who has paid: it once made us ask as often as somebody liked."""
    vera = await cinema.person()
    paid = (await vera.subscribes("premium", "499.00")).json()["payment"]["provider_payment_id"]
    forged = [
        told(paid, f"payment.{event}", at=at) for at in range(15) for event in ("canceled", "waiting_for_capture")
    ]
    await asyncio.gather(*(cinema.api.post("/webhooks/yookassa", json=one) for one in forged))

    assert await cinema.sweeps.inbox() == 0
    assert await some_are_looked_into(cinema) <= 10

    async with asyncio.timeout(20):
        while await waiting(cinema):
            await cinema.sweeps.strangers()
    assert (await vera.subscription())["status"] == "active"


async def test_money_that_came_after_its_payment_was_canceled_is_heard_of(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the strangers' pace: nothing of it can be awaited here."""
    gleb = await cinema.person()
    page = (await gleb.subscribes("premium", "499.00", card=None)).json()["payment"]["provider_payment_id"]
    await cinema.yookassa.leave(page)
    await cinema.api.post("/webhooks/yookassa", json=told(page, "payment.canceled"))
    assert await cinema.sweeps.inbox() == 1
    assert (await gleb.subscription())["status"] == "expired"
    getting = YooKassa.get_payment

    async def came_after_all(self: YooKassa, provider_payment_id: str) -> Any:
        found = await getting(self, provider_payment_id)
        assert isinstance(found, PaymentSnapshot)
        return replace(found, status=ProviderStatus.SUCCEEDED, cancellation=None)

    monkeypatch.setattr(YooKassa, "get_payment", came_after_all)
    await cinema.api.post("/webhooks/yookassa", json=told(page))
    assert await cinema.sweeps.inbox() == 0
    await all_are_looked_into(cinema)

    assert ("done", "settled", 1) in await outcome_of(cinema, page)
    async with cinema.service.engine.connect() as connection:
        query = select(cases.c.kind).where(cases.c.user_id == gleb.id)
        assert list((await connection.execute(query)).scalars()) != []


async def test_a_notification_that_says_something_else_is_looked_into(cinema: Cinema) -> None:
    vera = await cinema.person()
    sale = (await vera.subscribes("premium", "499.00")).json()
    paid = sale["payment"]["provider_payment_id"]

    await cinema.api.post("/webhooks/yookassa", json=told(paid, "payment.canceled"))
    await all_are_looked_into(cinema)

    assert [(status, outcome) for status, outcome, _ in await outcome_of(cinema, paid)] == [("done", "settled")]
    assert (await vera.subscription())["status"] == "active"


async def test_what_strangers_were_told_of_is_forgotten_after_two_days_and_the_rest_after_a_month(
    cinema: Cinema,
) -> None:
    gleb = await cinema.person()
    paid = (await gleb.subscribes("premium", "499.00")).json()["payment"]["provider_payment_id"]
    forged = str(uuid4())
    for object_id in (paid, forged):
        await cinema.api.post("/webhooks/yookassa", json=told(object_id))
    await all_are_looked_into(cinema)
    async with cinema.service.engine.begin() as connection:  # half a minute later
        await connection.execute(update(inbox).values(received_at=inbox.c.received_at - HALF_A_MINUTE))
        await connection.execute(update(inbox).where(inbox.c.status == "new").values(retry_by=func.clock_timestamp()))
    await all_are_looked_into(cinema)

    left = []
    for age in (timedelta(days=1), timedelta(days=3), timedelta(days=31)):
        async with cinema.service.engine.begin() as connection:
            await connection.execute(update(inbox).values(received_at=func.clock_timestamp() - age))
        await cinema.sweeps.old_notifications()
        left.append([len(await outcome_of(cinema, object_id)) for object_id in (paid, forged)])

    assert left == [[1, 1], [1, 0], [0, 0]]


# --- the intake ----------------------------------------------------------------------------------
def notification(kind: str = "payment") -> ReceivedNotification:
    unique = uuid4()
    return ReceivedNotification("yookassa", kind, "payment.succeeded", str(unique), unique.bytes, "{}")


@pytest.fixture
async def intake(database_url: str) -> AsyncIterator[tuple[PostgresIntake, Any]]:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    yield PostgresIntake(engine, new_id), engine
    await engine.dispose()


async def _count(engine: Any) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(inbox))).scalar_one())


async def test_one_that_cannot_be_stored_takes_no_other_with_it(intake: tuple[PostgresIntake, Any]) -> None:
    store, engine = intake
    before = await _count(engine)
    given = [notification(), notification("nul\x00"), notification(), notification()]

    came = await asyncio.gather(*(store.store(one) for one in given), return_exceptions=True)

    assert isinstance(came[1], DBAPIError)
    assert [came[0], *came[2:]] == [None] * 3
    assert await _count(engine) == before + 3


async def test_more_than_can_be_held_are_sent_away_and_the_others_stored(intake: tuple[PostgresIntake, Any]) -> None:
    store, engine = intake
    before = await _count(engine)
    async with engine.begin() as busy:
        await busy.execute(text("LOCK TABLE inbox"))
        tasks = [asyncio.create_task(store.store(notification())) for _ in range(2500)]
        sent_away, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    came = await asyncio.gather(*tasks, return_exceptions=True)

    assert sent_away
    assert all(isinstance(one, IntakeFull) for one in came if one is not None)
    assert await _count(engine) == before + came.count(None)
    assert came.count(None) >= 2000


async def test_who_goes_away_while_it_is_being_stored_disturbs_nobody(intake: tuple[PostgresIntake, Any]) -> None:
    store, engine = intake
    before = await _count(engine)
    async with engine.begin() as busy:
        await busy.execute(text("LOCK TABLE inbox"))
        leaves, stays = (asyncio.create_task(store.store(notification())) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
    await stays

    assert leaves.cancelled()
    assert await _count(engine) == before + 2, "it was told, so it is kept"


def test_an_allowance_is_so_many_a_second_and_saves_up_no_more_than_one_seconds() -> None:
    now = 100.0
    allowance = Allowance(5, lambda: now)

    def until_used_up() -> int:
        done = 0
        while allowance.is_left():
            allowance.take()
            done += 1
        return done

    assert until_used_up() == 5
    now += 0.41
    assert until_used_up() == 2
    now += 60
    assert until_used_up() == 5


def test_an_allowance_is_made_before_its_clock_runs() -> None:
    """As the demo makes a worker's sweeps before their event loop is at work."""
    allowance = Allowance(1, lambda: asyncio.get_running_loop().time())

    async def may_be_done() -> bool:
        return allowance.is_left()

    assert asyncio.run(may_be_done())


def test_to_look_and_find_nothing_costs_nothing_of_an_allowance() -> None:
    allowance = Allowance(1, lambda: 100.0)

    assert [allowance.is_left() for _ in range(9)] == [True] * 9
