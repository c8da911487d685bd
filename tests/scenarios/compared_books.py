"""Books to be held against the payment system's: a cinema of its own for each test, its sales, and what a run found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from domain.reconciliation import Stage
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.reconciliations import report_of
from infrastructure.simulators.yookassa.serve import running
from jobs.reconcile import Run, reconcile
from tests.scenarios.cinema import Cinema, Hands, Person, close_cinema, key_pair, open_cinema, settings_for

NOON = datetime(2027, 3, 10, 9, 0, tzinfo=UTC)  # 12:00 in Moscow
TODAY = date(2027, 3, 10)


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """The auth service's private and public one."""
    return key_pair()


@pytest.fixture
async def cinema(
    postgres: EmbeddedPostgres, migrated: str, valkey: EmbeddedValkey, keys: tuple[str, str]
) -> AsyncIterator[Cinema]:
    """One of its own for each test: reconciliation looks at everything there is. No notification arrives here."""
    name, (private, public) = f"of_{uuid4().hex}", keys
    url = postgres.create_database(name, template=migrated)
    clock = Hands(NOON)
    with running(clock=clock) as yookassa:
        cinema = await open_cinema(settings_for(url, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)
    postgres.drop_database(name)


async def sold(cinema: Cinema, **passed_since: float) -> tuple[Person, dict[str, Any]]:
    person = await cinema.person()
    reply = await person.subscribes("premium", "499.00")
    assert reply.status_code == 201, reply.text
    cinema.clock.move(timedelta(**passed_since))
    return person, reply.json()


async def sql(cinema: Cinema, statement: str, **values: object) -> None:
    async with cinema.service.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def compared(cinema: Cinema, day: date | None = None, **how: Any) -> Run:
    return await reconcile(cinema.service, day, **{"pauses_s": (), **how})


def kinds(run: Run) -> list[str]:
    return sorted(f"{each.finding.kind.removeprefix('reconcile_')} {each.finding.outcome}" for each in run.found)


async def nothing_new(cinema: Cinema, *, open_cases: int) -> None:
    again = await compared(cinema)
    assert (kinds(again), again.known_open, again.stopped) == ([], open_cases, [])


async def stage_of(cinema: Cinema, day: date = TODAY) -> tuple[Stage, int, bool]:
    async with cinema.service.engine.connect() as connection:
        report = await report_of(connection, "yookassa", day)
    assert report is not None
    return report.stage, report.payments, report.finished_at is not None


async def spoilt_books(cinema: Cinema) -> dict[str, str]:
    """Four things go wrong on one day among seven sales; where each is seen."""
    sales = [(await sold(cinema, minutes=3))[1] for _ in range(7)]
    deleted, changed, refunded = (sales[n]["payment"] for n in (1, 3, 5))
    await sql(cinema, "DELETE FROM payments WHERE id = :id", id=deleted["id"])
    await sql(cinema, "UPDATE payments SET amount = 1 WHERE id = :id", id=changed["id"])
    refund = await cinema.yookassa.cabinet_refund(refunded["provider_payment_id"], "100.00")
    invented = await cinema.yookassa.invent_payment("777.00")
    return {
        deleted["provider_payment_id"]: "reconcile_unknown_here case",
        invented: "reconcile_unknown_here case",
        changed["provider_payment_id"]: "reconcile_amount_differs case",
        refund: "reconcile_refund_unknown_here repaired",
    }


def by_provider_id(*runs: Run) -> dict[str | None, str]:
    found = [each.finding for run in runs for each in run.found]
    assert len({finding.provider_id for finding in found}) == len(found), "each is told once"
    return {finding.provider_id: f"{finding.kind} {finding.outcome}" for finding in found}
