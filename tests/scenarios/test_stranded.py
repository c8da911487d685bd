"""A subscription that nobody would ever look at again is shown to a person."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from infrastructure.postgres.tables import subscriptions
from jobs.stranded import find_stranded
from tests.scenarios.cinema import Cinema


@pytest.mark.parametrize(
    "left_behind",
    [{"refunding": True}, {"open_payment_id": uuid4()}, {"next_charge_at": None, "remind_at": None}],
    ids=["waits for no refund", "waits for no payment", "nothing is planned"],
)
async def test_what_waits_for_nothing_is_a_case_until_it_is_mended(cinema: Cinema, left_behind: dict[str, Any]) -> None:
    anna = await cinema.person()
    before = (await anna.subscribes("premium", "499.00")).json()["subscription"]["next_charge_at"]
    assert before is not None
    mine = update(subscriptions).where(subscriptions.c.user_id == anna.id)
    as_it_was = mine.values(refunding=False, open_payment_id=None, next_charge_at=subscriptions.c.period_end)
    assert await find_stranded(cinema.service) == 0

    async with cinema.service.engine.begin() as connection:
        await connection.execute(mine.values(**left_behind))
    assert [await find_stranded(cinema.service) for _ in range(2)] == [1, 1]
    assert await cinema.open_cases() == ["subscription_stranded"]

    async with cinema.service.engine.begin() as connection:
        await connection.execute(as_it_was)
    assert await find_stranded(cinema.service) == 0
    assert await cinema.open_cases() == []


async def test_whoever_pays_or_is_paid_back_is_not_stranded(cinema: Cinema) -> None:
    waits = await cinema.person()
    assert (await waits.subscribes("premium", "499.00", card=None)).status_code == 201
    returned = await cinema.person()
    sale = (await returned.subscribes("premium", "499.00")).json()
    assert (await returned.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})).status_code == 202

    assert await find_stranded(cinema.service) == 0
