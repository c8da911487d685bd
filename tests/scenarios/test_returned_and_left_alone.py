"""While a refund that ends the subscription is under way nobody is asked for money, told of a charge, or let expire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from infrastructure.postgres.tables import cases, refunds
from tests.scenarios.cinema import Cinema, Person

_ACTIVATED = "payment.succeeded subscription.activated"
_PLANNED = "subscription.charge_planned"
_ASKED = "subscription.past_due"
_EXPIRED = "subscription.expired"
_RETURNED = "refund.succeeded subscription.canceled"
_NOT_RETURNED = "refund.failed"


async def _removes_the_card(cinema: Cinema, person: Person, sale: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": "remove"}
    path = f"/v1/payment-methods/{sale['subscription']['payment_method']['id']}"
    assert (await cinema.api.delete(path, headers=headers)).status_code == 200


async def _wants_all_back(cinema: Cinema, sale: dict[str, Any]) -> str:
    """The payment system is at work on it until it is told how that ends; its id there."""
    await cinema.yookassa.fault("create_refund", "refund_pending", seconds=0, times=1)
    body = {"payment_id": sale["payment"]["id"], "reason": "the customer called"}
    reply = await cinema.as_service("POST", "/internal/v1/refunds", body)
    assert reply.status_code == 202, reply.text
    await cinema.works()
    async with cinema.service.engine.connect() as connection:
        query = select(refunds.c.provider_refund_id).where(refunds.c.payment_id == sale["payment"]["id"])
        return str((await connection.execute(query)).scalar_one())


async def _end(person: Person) -> datetime:
    return datetime.fromisoformat((await person.subscription())["current_period"]["end"])


async def _reaches(cinema: Cinema, at: datetime, hours: float = 0) -> None:
    cinema.clock.move(at - cinema.clock.now() + timedelta(hours=hours))
    await cinema.works()


async def _is_being_returned_before_the_reminder(cinema: Cinema, anna: Person, sale: dict[str, Any]) -> str:
    refund = await _wants_all_back(cinema, sale)
    await _reaches(cinema, await _end(anna), hours=-24)
    return refund


async def _is_being_returned_when_the_period_ends_without_a_card(
    cinema: Cinema, anna: Person, sale: dict[str, Any]
) -> str:
    await _removes_the_card(cinema, anna, sale)
    refund = await _wants_all_back(cinema, sale)
    await _reaches(cinema, await _end(anna), hours=24)
    return refund


async def _is_being_returned_when_patience_ends(cinema: Cinema, anna: Person, sale: dict[str, Any]) -> str:
    await _removes_the_card(cinema, anna, sale)
    await _reaches(cinema, await _end(anna), hours=1)
    refund = await _wants_all_back(cinema, sale)
    await _reaches(cinema, cinema.clock.now(), hours=30 * 24)
    return refund


_Story = Callable[[Cinema, Person, dict[str, Any]], Awaitable[str]]
_STORIES = [
    pytest.param(_is_being_returned_before_the_reminder, [], _PLANNED, id="a reminder"),
    pytest.param(_is_being_returned_when_the_period_ends_without_a_card, [], _ASKED, id="asking for a card"),
    pytest.param(_is_being_returned_when_patience_ends, [_ASKED], _EXPIRED, id="expiring"),
]


@pytest.mark.parametrize(("story", "before", "held_back"), _STORIES)
async def test_who_is_being_paid_back_hears_of_nothing_else(
    cinema: Cinema, story: _Story, before: list[str], held_back: str
) -> None:
    anna, sale = await cinema.subscriber()
    refund = await story(cinema, anna, sale)
    assert await anna.mails() == [_ACTIVATED, *before], f"{held_back} came while money was being returned"
    with capture_logs() as said:
        await cinema.sweeps.everything()
    about_her = [line for line in said if line.get("object") == sale["subscription"]["id"]]
    assert about_her == [], "no round comes back to it as long as nothing can be done"

    await cinema.yookassa.settle_refund(refund)
    await cinema.time_passes(hours=3)

    assert await anna.mails() == [_ACTIVATED, *before, _RETURNED]
    assert (await anna.subscription())["status"] == "canceled"


@pytest.mark.parametrize(("story", "before", "held_back"), _STORIES)
async def test_what_was_due_follows_when_the_refund_comes_to_nothing(
    cinema: Cinema, story: _Story, before: list[str], held_back: str
) -> None:
    boris, sale = await cinema.subscriber()
    refund = await story(cinema, boris, sale)

    await cinema.yookassa.settle_refund(refund, "insufficient_funds")
    await cinema.time_passes(hours=3)

    assert await boris.mails() == [_ACTIVATED, *before, _NOT_RETURNED, held_back]


async def test_a_planned_cancellation_ends_it_while_money_is_being_returned(cinema: Cinema) -> None:
    vera, sale = await cinema.subscriber()
    end = await _end(vera)
    await vera.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "period_end"})
    refund = await _wants_all_back(cinema, sale)
    await _reaches(cinema, end)
    assert (await vera.subscription())["status"] == "canceled"

    await cinema.yookassa.settle_refund(refund)
    await cinema.time_passes(hours=3)

    assert (await vera.mails())[-2:] == ["subscription.canceled", "refund.succeeded"]


async def test_a_subscription_that_does_not_end_for_a_refund_that_hangs_is_shown_to_a_person(cinema: Cinema) -> None:
    gleb, sale = await cinema.subscriber()
    await _is_being_returned_when_patience_ends(cinema, gleb, sale)

    assert (await gleb.subscription())["status"] == "past_due"
    async with cinema.service.engine.connect() as connection:
        query = select(cases.c.kind).where(cases.c.user_id == gleb.id, cases.c.resolved_at.is_(None))
        assert list((await connection.execute(query)).scalars()) == ["refund_unresolved"]
