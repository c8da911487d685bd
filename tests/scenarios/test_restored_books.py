"""A backup is restored: what was charged since is known to the payment system alone, and is not charged once more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select

from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.tables import cases
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, Person, close_cinema, key_pair, open_cinema, settings_for
from tests.scenarios.compared_books import compared, kinds


async def _period_end(person: Person) -> datetime:
    return datetime.fromisoformat((await person.subscription())["current_period"]["end"])


async def test_a_renewal_that_the_restored_books_do_not_know_is_not_charged_again(
    postgres: EmbeddedPostgres, migrated: str, valkey: EmbeddedValkey
) -> None:
    """The books were as due as before the backup, so the worker charged each renewal of the gap a second time."""
    private, public = key_pair()
    clock = Hands(datetime(2027, 3, 10, 9, 0, tzinfo=UTC))
    lost, backup = (f"of_{uuid4().hex}" for _ in range(2))
    with running(clock=clock) as yookassa:

        async def opened(url: str) -> Cinema:
            return await open_cinema(settings_for(url, valkey.url, yookassa, public), clock, yookassa, private)

        url = postgres.create_database(lost, template=migrated)
        cinema = await opened(url)
        vera, _ = await cinema.subscriber()
        first_end = await _period_end(vera)
        await close_cinema(cinema)
        restored = postgres.create_database(backup, template=lost)

        cinema = await opened(url)
        await cinema.time_passes(days=32)
        assert len(await vera.charged()) == 2
        await close_cinema(cinema)

        cinema = vera.cinema = await opened(restored)
        run = await compared(cinema)
        assert kinds(run) == ["unknown_here case"]
        await cinema.works()
        renewal = {"subscription_id": (await vera.subscription())["id"]}
        refused = await cinema.as_admin("POST", "/internal/v1/renewals", renewal)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_due")
        assert len(await vera.charged()) == 2, "it waits for a person"
        assert await _period_end(vera) == first_end

        told = {
            "amount": {"value": "499.00", "currency": "RUB"},
            "paid_at": clock.now().isoformat(),
            "source": "yookassa",
            "reference": run.found[0].finding.provider_id,
        }
        path = f"/internal/v1/subscriptions/{renewal['subscription_id']}/external-payments"
        assert (await cinema.as_admin("POST", path, told)).status_code == 201
        assert await _period_end(vera) > first_end + timedelta(days=27)
        async with cinema.service.engine.connect() as connection:
            query = select(cases.c.id).where(cases.c.kind == "reconcile_unknown_here")
            case_id = (await connection.execute(query)).scalar_one()
        resolved = {"resolution": "told of as money from outside"}
        assert (await cinema.as_admin("POST", f"/internal/v1/cases/{case_id}/resolve", resolved)).status_code == 200
        await cinema.time_passes(days=31)
        assert len(await vera.charged()) == 3, "and the next month is paid as ever"
        await close_cinema(cinema)
    for name in (lost, backup):
        postgres.drop_database(name)
