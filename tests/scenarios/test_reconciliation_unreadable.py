"""What cannot be read, or is told late, hides nothing else and is not called a difference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.money import Money
from domain.payment_system import PaymentSnapshot, Silence, Unreadable
from domain.reconciliation import FindingKind, Outcome
from infrastructure.payment_systems.yookassa import YooKassa
from tests.scenarios.cinema import Cinema, Person
from tests.scenarios.compared_books import (
    NOON,
    cinema,
    compared,
    keys,
    kinds,
    nothing_new,
    sold,
    sql,
)

__all__ = ["cinema", "keys"]


async def test_an_object_that_cannot_be_read_is_shown_to_a_person_and_ends_nothing(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's status of tomorrow must not stop the comparison of everything else, night after night."""
    _, mine = await sold(cinema)
    _, deleted = await sold(cinema)
    await sql(cinema, "DELETE FROM payments WHERE id = :id", id=deleted["payment"]["id"])
    listing = YooKassa.list_payments

    async def with_an_odd_one(
        self: YooKassa, since: datetime, until: datetime
    ) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        if since <= NOON < until:
            yield Unreadable("stranger", "an unreadable answer: no status that we know")
        async for each in listing(self, since, until):
            known = each.provider_payment_id if isinstance(each, PaymentSnapshot) else None
            yield Unreadable(known, "odd") if known == mine["payment"]["provider_payment_id"] else each

    monkeypatch.setattr(YooKassa, "list_payments", with_an_odd_one)
    run = await compared(cinema)

    assert run.stopped == []
    assert kinds(run) == ["unknown_here case", "unreadable case", "unreadable case"]
    assert {str(each.finding.our_id) for each in run.found if each.finding.kind is FindingKind.UNREADABLE} == {
        "None",
        mine["payment"]["id"],
    }
    await nothing_new(cinema, open_cases=3)


def _say_that_was_returned(refunded: Money | None, patch: pytest.MonkeyPatch) -> None:
    """Of each payment, whatever the simulator says."""
    listing, getting = YooKassa.list_payments, YooKassa.get_payment

    async def lists(self: YooKassa, since: datetime, until: datetime) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        async for each in listing(self, since, until):
            yield replace(each, refunded=refunded) if isinstance(each, PaymentSnapshot) else each

    async def gets(self: YooKassa, provider_payment_id: str) -> Any:
        told = await getting(self, provider_payment_id)
        return replace(told, refunded=refunded) if isinstance(told, PaymentSnapshot) else told

    patch.setattr(YooKassa, "list_payments", lists)
    patch.setattr(YooKassa, "get_payment", gets)


async def _partly_returned(cinema: Cinema, value: str, person: Person, sale: dict[str, Any]) -> None:
    amount = {"value": value, "currency": "RUB"}
    body = {"payment_id": sale["payment"]["id"], "amount": amount, "reason": "sorry"}
    assert (await cinema.as_service("POST", "/internal/v1/refunds", body)).status_code == 202
    await cinema.works()
    refunds = (await person.reads(f"/v1/payments/{sale['payment']['id']}"))["refunds"]
    assert {one["status"] for one in refunds} == {"succeeded"}


async def test_a_payment_system_that_does_not_say_what_was_returned_is_not_said_to_differ(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, sale = await sold(cinema, minutes=5)
    await _partly_returned(cinema, "100.00", anna, sale)
    cinema.clock.move(timedelta(hours=2))
    _say_that_was_returned(None, monkeypatch)

    assert kinds(await compared(cinema)) == []


async def test_a_sum_of_refunds_may_lag_behind_for_an_hour_and_differs_after_it(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, sale = await sold(cinema, minutes=5)
    await _partly_returned(cinema, "100.00", anna, sale)
    cinema.clock.move(timedelta(hours=2))
    await _partly_returned(cinema, "50.00", anna, sale)
    await _partly_returned(cinema, "25.00", anna, sale)

    for told, found in (("100.00", []), ("150.00", []), ("175.00", []), ("140.00", ["refunds_differ case"])):
        with monkeypatch.context() as patch:
            _say_that_was_returned(Money.parse(told), patch)
            assert kinds(await compared(cinema)) == found, told
    cinema.clock.move(timedelta(hours=1))
    assert [each.finding.outcome for each in (await compared(cinema)).found] == [Outcome.GONE]
    _say_that_was_returned(Money.parse("100.00"), monkeypatch)
    assert kinds(await compared(cinema)) == ["refunds_differ case"]


async def test_an_object_that_is_not_told_when_it_is_asked_for_does_not_end_every_night_there(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = await sold(cinema, days=2)
    await sold(cinema, hours=2)
    await sql(cinema, "UPDATE payments SET amount = 49800")
    untold, getting = first["payment"]["provider_payment_id"], YooKassa.get_payment

    async def gets(self: YooKassa, provider_payment_id: str) -> Any:
        if provider_payment_id == untold:
            return Silence("an unreadable answer: no usable amount", only_this=True)
        return await getting(self, provider_payment_id)

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "get_payment", gets)
        run = await compared(cinema)
        assert (kinds(run), run.stopped) == (["amount_differs case", "unreadable case"], [])
        unreadable = next(each.finding for each in run.found if each.finding.kind is FindingKind.UNREADABLE)
        assert (unreadable.provider_id, str(unreadable.our_id)) == (untold, first["payment"]["id"])
        await nothing_new(cinema, open_cases=2)

    assert kinds(await compared(cinema)) == ["amount_differs case", "unreadable gone"]
    await nothing_new(cinema, open_cases=2)


async def test_a_difference_of_what_cannot_be_read_tonight_is_not_said_to_have_solved_itself(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold(cinema, hours=2)
    await sql(cinema, "UPDATE payments SET amount = 49800")
    assert kinds(await compared(cinema)) == ["amount_differs case"]

    async def gets(_: YooKassa, __: str) -> Silence:
        return Silence("an unreadable answer: no usable amount", only_this=True)

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "get_payment", gets)
        assert kinds(await compared(cinema)) == ["unreadable case"]
        assert sorted(await cinema.open_cases()) == ["reconcile_amount_differs", "reconcile_unreadable"]

    assert kinds(await compared(cinema)) == ["unreadable gone"]
    assert await cinema.open_cases() == ["reconcile_amount_differs"]
