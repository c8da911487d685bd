"""A run that is cut short, by silence, a kill or another run, is gone on with: each difference is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.payment_system import PaymentSnapshot, Unreadable
from domain.reconciliation import Stage, bounds_of, day_of
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.reconciliations import report_of
from jobs.reconcile import AlreadyReconciling
from tests.scenarios.cinema import GOOD_CARD, Cinema
from tests.scenarios.compared_books import (
    NOON,
    TODAY,
    by_provider_id,
    cinema,
    compared,
    keys,
    kinds,
    nothing_new,
    sold,
    spoilt_books,
    sql,
    stage_of,
)

__all__ = ["cinema", "keys"]


async def test_a_payment_system_that_falls_silent_half_way_is_gone_on_with(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = await spoilt_books(cinema)
    monkeypatch.setattr(YooKassa, "list_payments", _silent_from(NOON + timedelta(minutes=8)))

    first = await compared(cinema, piece=3)
    assert [code for code, _ in first.stopped] == ["yookassa"]
    stage, done, _ = await stage_of(cinema)
    assert (stage, 0 < done < 8) == (Stage.PAYMENTS, True)
    monkeypatch.undo()

    second = await compared(cinema, piece=3)
    assert second.stopped == []
    assert by_provider_id(first, second) == spoilt
    assert first.payments + second.payments == 8, "what was compared is not compared again"


async def test_an_object_that_is_silent_for_a_moment_is_waited_for_and_no_case(cinema: Cinema) -> None:
    await sold(cinema)
    await sql(cinema, "UPDATE payments SET amount = 49800")
    await cinema.yookassa.fault("get_payment", "error_500", times=2)
    run = await compared(cinema, pauses_s=(0.01, 0.01))
    assert (kinds(run), run.stopped) == (["amount_differs case"], [])


async def test_a_payment_system_that_does_not_answer_is_waited_for_a_little_and_then_left(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    await sql(cinema, "DELETE FROM payments WHERE id = :id", id=sale["payment"]["id"])
    await cinema.yookassa.fault("list_payments", "error_500", times=2)
    run = await compared(cinema, pauses_s=(0.01, 0.01))
    assert (kinds(run), run.stopped) == (["unknown_here case"], [])

    await cinema.yookassa.outage("refuse")
    run = await compared(cinema)
    assert ([code for code, _ in run.stopped], run.found, run.known_open) == (["yookassa"], [], 1)
    await cinema.yookassa.lift()
    await nothing_new(cinema, open_cases=1)


async def test_a_run_that_is_killed_half_way_is_gone_on_with(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = await spoilt_books(cinema)
    asked, told = YooKassa.get_payment, list[str]()

    async def killed(self: YooKassa, provider_payment_id: str) -> Any:
        told.append(provider_payment_id)
        if len(told) == 2:
            raise KeyboardInterrupt
        return await asked(self, provider_payment_id)

    monkeypatch.setattr(YooKassa, "get_payment", killed)
    with pytest.raises(KeyboardInterrupt):
        await compared(cinema, piece=3)
    monkeypatch.undo()
    await asyncio.sleep(0)

    await compared(cinema, piece=3)

    async with cinema.service.engine.connect() as connection:
        report = await report_of(connection, "yookassa", TODAY)
    assert report is not None
    assert {each.provider_id: f"{each.kind} {each.outcome}" for each in report.findings.values()} == spoilt
    assert (report.passes, report.payments, report.refunds) == (1, 8, 1)
    assert len(await cinema.open_cases()) == 3


async def test_a_repair_that_was_made_and_not_written_down_stays_in_the_report(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sale = await sold(cinema)
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "100.00")

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("commands.reconcile_day._Day._commit_piece", killed)
    with pytest.raises(KeyboardInterrupt):
        await compared(cinema)
    monkeypatch.undo()

    run = await compared(cinema)
    assert kinds(run) == ["refund_unknown_here repaired"]
    await nothing_new(cinema, open_cases=0)


async def test_two_runs_at_once_do_not_mix(cinema: Cinema) -> None:
    await spoilt_books(cinema)
    runs = await asyncio.gather(*(compared(cinema) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(run, AlreadyReconciling) for run in runs) == 2
    assert len(await cinema.open_cases()) == 3


async def test_a_pass_interrupted_today_and_ended_tomorrow_does_not_leave_the_evening_out(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold(cinema, minutes=1)
    monkeypatch.setattr(YooKassa, "list_payments", _silent_from(NOON - timedelta(days=9)))
    assert (await compared(cinema)).stopped
    monkeypatch.undo()
    cinema.clock.move(timedelta(hours=3))
    evening = await cinema.yookassa.invent_payment("777.00")
    cinema.clock.move(timedelta(days=1))

    run = await compared(cinema)

    assert by_provider_id(run) == {evening: "reconcile_unknown_here case"}
    assert await stage_of(cinema) == (Stage.DONE, 2, True)


async def test_a_refund_since_an_interrupted_pass_is_no_difference_of_the_older_payment_that_it_is_of(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older days' payments were compared before the refunds of the day's last hours were read: a case for a night."""
    _, returned = await sold(cinema)
    _, changed = await sold(cinema, days=2)
    await sql(cinema, "UPDATE payments SET amount = 49800 WHERE id = :id", id=changed["payment"]["id"])
    await sold(cinema, minutes=1)
    midnight, _ = bounds_of(day_of(cinema.clock.now()))
    monkeypatch.setattr(YooKassa, "list_payments", _silent_from(midnight))
    run = await compared(cinema)
    assert (kinds(run), len(run.stopped)) == (["amount_differs case"], 1)
    monkeypatch.undo()

    cinema.clock.move(timedelta(hours=1))
    await cinema.yookassa.cabinet_refund(returned["payment"]["provider_payment_id"], "100.00")
    cinema.clock.move(timedelta(minutes=5))

    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"]
    await nothing_new(cinema, open_cases=1)


async def test_a_day_that_was_read_while_it_went_on_is_read_anew_once_it_is_over(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = await sold(cinema, minutes=10)
    await cinema.yookassa.cabinet_refund(first["payment"]["provider_payment_id"], "100.00")
    just_after = cinema.clock.now() + timedelta(seconds=1)
    cinema.clock.move(timedelta(minutes=30))
    _, second = await sold(cinema, minutes=10)
    await cinema.yookassa.cabinet_refund(second["payment"]["provider_payment_id"], "100.00")
    cinema.clock.move(timedelta(minutes=10))
    monkeypatch.setattr(YooKassa, "list_refunds", _silent_from(just_after, YooKassa.list_refunds))
    run = await compared(cinema, piece=1)
    assert (kinds(run), len(run.stopped)) == (["refund_unknown_here repaired"], 1)
    monkeypatch.undo()
    await sql(cinema, "DELETE FROM refunds")
    await sql(cinema, "UPDATE payments SET refunded = 0")

    cinema.clock.move(timedelta(days=1))

    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"] * 2
    await nothing_new(cinema, open_cases=0)


async def test_a_repair_that_was_cut_short_is_told_once_it_is_made(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = (await (await cinema.person()).subscribes("premium", "499.00", card=None)).json()
    await cinema.yookassa.pay(sale["payment"]["provider_payment_id"], GOOD_CARD)
    cinema.clock.move(timedelta(hours=2))

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("commands.compare_payments.settle_payment", killed)
    with pytest.raises(KeyboardInterrupt):
        await compared(cinema)
    monkeypatch.undo()
    cinema.clock.move(timedelta(hours=1))

    assert kinds(await compared(cinema)) == ["state_differs repaired"]
    await nothing_new(cinema, open_cases=0)


def _silent_from(instant: datetime, listing: Any = YooKassa.list_payments) -> Any:
    """The list is read as ever, but what was made from that instant on is never told."""

    async def silent(self: YooKassa, since: datetime, until: datetime) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        if since >= instant:
            raise ConnectionError("no answer within the deadline")
        async for each in listing(self, since, until):
            yield each

    return silent
