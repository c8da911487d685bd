"""Our books are held against the payment system's, both ways: what differs is named, and mended where that is safe."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cli import app
from domain.payment_system import PaymentSnapshot, Unreadable
from domain.reconciliation import FindingKind, Stage
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import inbox
from jobs.reconcile import NoSuchDay
from jobs.reconcile_report import totals
from jobs.worker import nightly_rounds, schedule_of
from tests.architecture.checkout import CHECKOUT
from tests.scenarios.cinema import Cinema
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


async def test_books_that_agree_have_no_findings(cinema: Cinema) -> None:
    _, sale = await sold(cinema, minutes=5)
    anna, other = await sold(cinema, hours=2)
    await anna.posts(f"/v1/subscriptions/{other['subscription']['id']}/refunds", {})
    await cinema.works()
    poor = await cinema.person()
    await poor.subscribes("premium", "499.00", card="5555555555554600")
    waiting = await cinema.person()
    await waiting.subscribes("premium", "499.00", card=None)

    run = await compared(cinema)

    assert totals(run) == (
        "2 days, 4 payments, 1 refund compared: 0 found, 0 repaired, 0 for a person; 0 known from before are open"
    )
    assert await cinema.open_cases() == []
    assert sale["payment"]["status"] == "succeeded"


async def test_a_payment_deleted_here_is_found_with_what_history_says_of_it(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    await sql(cinema, "DELETE FROM payments WHERE id = :id", id=sale["payment"]["id"])

    run = await compared(cinema)

    assert kinds(run) == ["unknown_here case"]
    [found] = run.found
    assert found.finding.provider_id == sale["payment"]["provider_payment_id"]
    assert str(found.finding.our_id) == sale["payment"]["id"]
    assert found.finding.theirs == "succeeded 499.00 RUB"
    history = found.finding.facts["history"]
    assert isinstance(history, list)
    assert any(line.startswith("payment.succeeded") for line in history)
    await nothing_new(cinema, open_cases=1)


async def test_a_payment_invented_there_is_found(cinema: Cinema) -> None:
    await sold(cinema)
    invented = await cinema.yookassa.invent_payment("777.00")

    run = await compared(cinema)

    assert kinds(run) == ["unknown_here case"]
    assert (run.found[0].finding.provider_id, run.found[0].finding.our_id) == (invented, None)
    await nothing_new(cinema, open_cases=1)


async def test_a_changed_amount_is_found_and_solves_itself_once_it_is_changed_back(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    change = "UPDATE payments SET amount = :amount WHERE id = :id"
    await sql(cinema, change, amount=49800, id=sale["payment"]["id"])

    run = await compared(cinema)

    assert kinds(run) == ["amount_differs case"]
    finding = run.found[0].finding
    assert (finding.ours, finding.theirs) == ("succeeded 498.00 RUB", "succeeded 499.00 RUB")
    await nothing_new(cinema, open_cases=1)

    cinema.clock.move(timedelta(days=40))  # long finished, but a day with an open case is looked at again
    await sql(cinema, change, amount=49900, id=sale["payment"]["id"])
    run = await compared(cinema)
    assert kinds(run) == ["amount_differs gone"]
    assert await cinema.open_cases() == []


async def test_a_case_that_a_person_has_closed_stays_closed(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    await sql(cinema, "UPDATE payments SET amount = 100 WHERE id = :id", id=sale["payment"]["id"])
    await compared(cinema)
    await sql(cinema, "UPDATE cases SET resolved_at = now(), resolution = 'so be it'")
    await nothing_new(cinema, open_cases=0)


async def test_a_refund_made_in_the_cabinet_is_booked_though_no_notification_came(cinema: Cinema) -> None:
    anna, sale = await sold(cinema, hours=30)
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "499.00")

    run = await compared(cinema)

    assert kinds(run) == ["refund_unknown_here repaired"], "the payment's sum is set right before it is compared"
    assert (await anna.subscription())["status"] == "canceled"
    payment = await anna.reads(f"/v1/payments/{sale['payment']['id']}")
    assert (payment["refunded"]["value"], len(payment["refunds"])) == ("499.00", 1)
    assert (await anna.mails())[-1] == "refund.succeeded subscription.canceled"
    await nothing_new(cinema, open_cases=0)


@pytest.mark.parametrize("sum_too", [True, False], ids=["with the payment's sum", "the row alone"])
async def test_a_refund_deleted_here_is_found_and_never_counted_twice(cinema: Cinema, sum_too: bool) -> None:
    anna, sale = await sold(cinema)
    await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()
    await sql(cinema, "DELETE FROM refunds")
    if sum_too:
        await sql(cinema, "UPDATE payments SET refunded = 0")

    run = await compared(cinema)

    assert kinds(run) == [f"refund_unknown_here {'repaired' if sum_too else 'case'}"]
    payment = await anna.reads(f"/v1/payments/{sale['payment']['id']}")
    assert payment["refunded"]["value"] == "499.00"
    await nothing_new(cinema, open_cases=0 if sum_too else 1)


async def test_a_part_of_a_refund_deleted_here_is_not_booked_on_top_of_what_the_payment_counts(cinema: Cinema) -> None:
    anna, sale = await sold(cinema)
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "100.00")
    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"]
    await sql(cinema, "DELETE FROM refunds")

    assert kinds(await compared(cinema)) == ["refund_unknown_here case"]

    payment = await anna.reads(f"/v1/payments/{sale['payment']['id']}")
    assert payment["refunded"]["value"] == "100.00"


async def _a_cabinet_refund_whose_word_was_set_aside(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    refund_id = await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "100.00")
    told = {"type": "notification", "event": "refund.succeeded", "object": {"id": refund_id}}
    await cinema.yookassa.outage("refuse")
    await cinema.api.post("/webhooks/yookassa", json=told)
    await cinema.notifications_fall_due(older_by=timedelta(days=3))
    for _ in range(12):
        await cinema.sweeps.inbox()
        await cinema.notifications_fall_due()
    await cinema.yookassa.lift()
    assert await _standing(cinema) == ["set_aside"]


async def test_a_notification_that_was_set_aside_is_done_where_it_has_come_true_by_the_comparison(
    cinema: Cinema,
) -> None:
    """The simulation's seed 1, world 111: the refund was booked, and a person was still asked to look."""
    await _a_cabinet_refund_whose_word_was_set_aside(cinema)
    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"]

    await cinema.sweeps.old_notifications()

    assert await _standing(cinema) == ["done"]


async def test_a_notification_that_silence_has_set_aside_is_followed_when_the_payment_system_is_back(
    cinema: Cinema,
) -> None:
    await _a_cabinet_refund_whose_word_was_set_aside(cinema)

    await cinema.sweeps.old_notifications()
    await cinema.sweeps.inbox()

    assert await _standing(cinema) == ["done"]
    assert kinds(await compared(cinema)) == [], "it was booked"


async def _standing(cinema: Cinema) -> list[str]:
    async with cinema.service.engine.connect() as connection:
        return list((await connection.execute(select(inbox.c.status))).scalars())


async def test_a_refund_and_a_payment_invented_here_are_found(cinema: Cinema) -> None:
    anna, sale = await sold(cinema)
    await cinema.yookassa.delete_payment(sale["payment"]["provider_payment_id"])
    _, other = await sold(cinema, hours=2)
    await sql(
        cinema,
        """INSERT INTO refunds (id, payment_id, subscription_id, user_id, amount, currency, status, origin,
               ends_subscription, payment_system, provider_refund_id,
               created_at, key_number, key_since, settled_at, asks)
           SELECT gen_random_uuid(), id, subscription_id, user_id, 1000, 'RUB', 'succeeded', 'internal', false,
               'yookassa', '30000000-0000-5000-a000-000000000000', created_at, 1, created_at, created_at, 0
           FROM payments WHERE id = :id""",
        id=other["payment"]["id"],
    )
    await sql(cinema, "UPDATE payments SET refunded = 1000 WHERE id = :id", id=other["payment"]["id"])

    run = await compared(cinema)

    assert kinds(run) == ["refund_unknown_there case", "refunds_differ case", "unknown_there case"]
    unknown = next(each.finding for each in run.found if each.finding.kind is FindingKind.UNKNOWN_THERE)
    assert (str(unknown.our_id), unknown.user_id) == (sale["payment"]["id"], anna.id)
    await nothing_new(cinema, open_cases=3)


async def test_money_that_was_returned_outside_is_not_looked_for_there(cinema: Cinema) -> None:
    _, sale = await sold(cinema, hours=1)
    returned = {
        "amount": {"value": "100.00", "currency": "RUB"},
        "refunded_at": cinema.clock.now().isoformat(),
        "source": "bank",
        "reference": "transfer 7",
        "payment_reference": sale["payment"]["id"],
    }
    headers = {"Authorization": f"Bearer {cinema.token('bank', scope='billing:internal')}", "Idempotency-Key": "seven"}
    path = f"/internal/v1/subscriptions/{sale['subscription']['id']}/external-refunds"
    reply = await cinema.api.post(path, json=returned, headers=headers)
    assert reply.status_code == 201, reply.text
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "50.00")

    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"]
    await nothing_new(cinema, open_cases=0)


async def test_what_ended_there_and_stands_open_here_is_settled(cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00", card=None)).json()
    await cinema.yookassa.pay(sale["payment"]["provider_payment_id"], "5555555555554444")
    assert kinds(await compared(cinema)) == [], "so young, it is the janitor's"
    cinema.clock.move(timedelta(hours=2))

    run = await compared(cinema)

    assert kinds(run) == ["state_differs repaired"]
    assert (await anna.subscription())["status"] == "active"
    assert await anna.mails() == ["payment.succeeded subscription.activated"]
    await nothing_new(cinema, open_cases=0)


async def test_a_final_state_is_never_changed(cinema: Cinema) -> None:
    anna, sale = await sold(cinema)
    change = (
        "UPDATE payments SET status = 'canceled', cancel_reason = 'general_decline', cancel_party = 'x' WHERE id = :id"
    )
    await sql(cinema, change, id=sale["payment"]["id"])

    run = await compared(cinema)

    assert kinds(run) == ["state_differs case"]
    assert (run.found[0].finding.ours, run.found[0].finding.theirs) == ("canceled 499.00 RUB", "succeeded 499.00 RUB")
    assert await anna.charged() == ["499.00"]
    await nothing_new(cinema, open_cases=1)


async def test_a_second_payment_there_that_names_ours_is_a_double_charge(cinema: Cinema) -> None:
    _, sale = await sold(cinema)
    metadata = {"payment_id": sale["payment"]["id"], "subscription_id": sale["subscription"]["id"]}
    second = await cinema.yookassa.invent_payment("499.00", metadata)

    run = await compared(cinema)

    assert kinds(run) == ["doubled case"]
    assert run.found[0].finding.provider_id == second
    await nothing_new(cinema, open_cases=1)


@pytest.mark.parametrize("piece", [200, 3])
async def test_four_at_once_are_found_and_the_second_run_is_clean(cinema: Cinema, piece: int) -> None:
    """Also where a day has to be compared in many pieces."""
    spoilt = await spoilt_books(cinema)

    run = await compared(cinema, piece=piece)

    assert by_provider_id(run) == spoilt
    assert totals(run) == (
        "2 days, 8 payments, 1 refund compared: 4 found, 1 repaired, 3 for a person; 0 known from before are open"
    )
    assert totals(await compared(cinema)) == (
        "2 days, 8 payments, 1 refund compared: 0 found, 0 repaired, 0 for a person; 3 known from before are open"
    )


async def test_two_codes_of_one_shop_do_not_accuse_each_other(cinema: Cinema) -> None:
    """Nor does a payment system that lives in one process only, or one that cannot be asked and has sold nothing."""
    for code, adapter in (("second", "yookassa"), ("toy", "imitation"), ("gone", "no-such-adapter")):
        row = "INSERT INTO payment_systems (id, code, name, adapter) VALUES (gen_random_uuid(), :code, :code, :adapter)"
        await sql(cinema, row, code=code, adapter=adapter)
    await sold(cinema)
    _, sale = await sold(cinema)
    await sql(cinema, "UPDATE payments SET payment_system = 'second' WHERE id = :id", id=sale["payment"]["id"])
    await cinema.yookassa.cabinet_refund(sale["payment"]["provider_payment_id"], "100.00")
    assert kinds(await compared(cinema)) == ["refund_unknown_here repaired"]
    await nothing_new(cinema, open_cases=0)


async def test_a_day_is_a_moscow_day_to_its_last_instant(cinema: Cinema) -> None:
    midnight = datetime(2027, 3, 10, 21, 0, tzinfo=UTC)
    cinema.clock.move(midnight - timedelta(milliseconds=1) - NOON)
    await sold(cinema, milliseconds=1)
    await sold(cinema)
    cinema.clock.move(timedelta(days=1))

    before, after = await compared(cinema, TODAY), await compared(cinema, TODAY + timedelta(days=1))

    assert (before.payments, after.payments) == (1, 1)
    assert kinds(before) + kinds(after) == []


async def test_today_is_compared_as_far_as_it_has_gone_and_never_finished(cinema: Cinema) -> None:
    await sold(cinema, hours=1)
    first = await compared(cinema)
    assert (first.payments, await stage_of(cinema)) == (1, (Stage.DONE, 1, False))
    await sold(cinema, hours=1)
    assert (await compared(cinema)).payments == 2
    cinema.clock.move(timedelta(days=1))
    assert (await compared(cinema)).days == 2
    assert await stage_of(cinema) == (Stage.DONE, 2, True)
    cinema.clock.move(timedelta(days=1))
    late = await compared(cinema)
    assert (late.days, late.payments) == (2, 0), "a day that is finished is left alone"
    assert (await compared(cinema, TODAY)).payments == 2, "unless it is asked for"
    for day in (TODAY + timedelta(days=3), date(1, 1, 1)):
        with pytest.raises(NoSuchDay):
            await compared(cinema, day)


async def test_the_first_run_begins_with_the_first_sale_even_where_its_payment_is_gone(cinema: Cinema) -> None:
    _, sale = await sold(cinema, days=10)
    await sql(cinema, "DELETE FROM payments WHERE id = :id", id=sale["payment"]["id"])
    run = await compared(cinema)
    assert run.days == 11
    assert kinds(run) == ["unknown_here case"]


async def test_what_changes_while_it_is_looked_at_is_not_called_a_difference(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says pending; before our books are read, it is paid and settled."""
    await cinema.yookassa.fault("create_payment", "payment_pending", times=1)
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    cinema.clock.move(timedelta(hours=2))
    listing = YooKassa.list_payments

    async def overtaken(
        self: YooKassa, since: datetime, until: datetime
    ) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        snapshots = [each async for each in listing(self, since, until)]
        if snapshots:
            await cinema.yookassa.settle_payment(sale["payment"]["provider_payment_id"])
            await cinema.works()
        for each in snapshots:
            yield each

    monkeypatch.setattr(YooKassa, "list_payments", overtaken)
    assert kinds(await compared(cinema)) == []
    assert (await anna.subscription())["status"] == "active"


async def test_books_of_another_shop_do_not_drown_the_queue(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.comparison.TOO_MANY", 3)
    for _ in range(5):
        _, sale = await sold(cinema)
        await cinema.yookassa.delete_payment(sale["payment"]["provider_payment_id"])
    run = await compared(cinema)
    assert "is this the same shop?" in run.stopped[0][1]
    assert await cinema.open_cases() == []


async def test_the_command_names_each_finding_and_ends_well(cinema: Cinema) -> None:
    spoilt = await spoilt_books(cinema)
    await sql(cinema, "INSERT INTO held_clock (now) VALUES (:now)", now=cinema.clock.now())

    first = await _billing(cinema, "reconcile")
    again = await _billing(cinema, "reconcile", "--day", str(TODAY))

    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[-1] == (
        "2 days, 8 payments, 1 refund compared: 4 found, 1 repaired, 3 for a person; 0 known from before are open"
    )
    for provider_id, told in spoilt.items():
        [line] = [line for line in lines if provider_id in line and line.strip().startswith(str(TODAY))]
        kind, outcome = told.removeprefix("reconcile_").split(" ")
        assert f" {kind} " in line
        assert ("repaired: " if outcome == "repaired" else "case opened: ") in line
    assert (again.returncode, again.stdout) == (
        0,
        "1 day, 8 payments, 1 refund compared: 0 found, 0 repaired, 0 for a person; 3 known from before are open\n",
    )


async def test_a_worker_does_it_every_night(cinema: Cinema) -> None:
    await spoilt_books(cinema)
    nightly = nightly_rounds(cinema.service)
    assert await nightly.make() == 4
    assert await nightly.make() == 0
    assert "reconciliation" not in [one.rounds.name for one in schedule_of(cinema.service, cinema.sweeps)]


def test_the_command_wants_a_day_that_is_one() -> None:
    wrong = CliRunner().invoke(app, ["reconcile", "--day", "yesterday"])
    assert (wrong.exit_code, wrong.stderr) == (2, "--day: expected a day such as 2026-11-20, not 'yesterday'\n")


async def _billing(cinema: Cinema, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = cinema.service.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    names = ("database_url", "redis_url", "yookassa_api_url", "yookassa_shop_id", "yookassa_secret_key", "smtp_url")
    given = {f"BILLING_{name.upper()}": str(getattr(settings, name)) for name in (*names, "card_keys")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli", *arguments],
        cwd=CHECKOUT,
        env={**environment, **given, "BILLING_ELASTICSEARCH_URL": "none", "BILLING_CLOCK": "held"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
