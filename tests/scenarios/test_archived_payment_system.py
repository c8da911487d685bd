"""A payment system that is archived or switched off: no new choices, and all that was begun goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from infrastructure.postgres.tables import payment_systems
from tests.scenarios.cinema import Cinema


async def _set(cinema: Cinema, **values: Any) -> None:
    async with cinema.service.engine.begin() as connection:
        await connection.execute(update(payment_systems).where(payment_systems.c.code == "yookassa").values(**values))


@pytest.fixture(params=["archived", "switched off"])
async def way(cinema: Cinema, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, Any]]:
    yield {"archived_at": datetime.now(UTC)} if request.param == "archived" else {"enabled": False}
    await _set(cinema, archived_at=None, enabled=True)


async def test_who_pays_by_it_is_renewed_and_refunded_and_nobody_new_may_choose_it(
    cinema: Cinema, way: dict[str, Any]
) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    assert (await anna.subscribes("premium", "499.00")).status_code == 201

    await _set(cinema, **way)
    refused = await boris.subscribes("premium", "499.00")
    await cinema.time_passes(days=32)

    assert (refused.status_code, refused.json()["code"]) == (422, "payment_system_unavailable")
    assert await anna.charged() == ["499.00"] * 2
    subscription = await anna.subscription()
    assert (await anna.posts(f"/v1/subscriptions/{subscription['id']}/refunds", {})).status_code == 202
    await cinema.works()
    assert (await anna.subscription())["status"] == "canceled"


async def test_one_that_was_archived_by_mistake_is_enabled_again(cinema: Cinema) -> None:
    """It stayed archived for good, while the call that enabled it answered 200."""
    anna = await cinema.person()
    assert (await anna.subscribes("premium", "499.00")).status_code == 201
    assert (await cinema.as_admin("DELETE", "/internal/v1/payment-systems/yookassa")).json()["enabled"] is False

    reply = await cinema.as_admin("PATCH", "/internal/v1/payment-systems/yookassa", {"enabled": True})

    assert (reply.status_code, reply.json()["enabled"]) == (200, True)
    boris = await cinema.person()
    assert (await boris.subscribes("premium", "499.00")).status_code == 201


async def test_a_plan_that_was_archived_by_mistake_is_sold_again(cinema: Cinema) -> None:
    anna = await cinema.person()
    assert (await anna.subscribes("premium", "499.00")).status_code == 201
    await cinema.as_admin("DELETE", "/internal/v1/plans/premium")
    reply = await cinema.as_admin("PATCH", "/internal/v1/plans/premium", {"available": True})
    assert (reply.status_code, reply.json()["available"]) == (200, True)
    boris = await cinema.person()
    assert (await boris.subscribes("premium", "499.00")).status_code == 201
