"""Administrators who do the same at the same moment: one of them wins, the others are told how it stands."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

from tests.scenarios.cinema import Cinema


async def test_a_plan_made_by_ten_at_once_is_made_once(cinema: Cinema) -> None:
    code = f"plan-{uuid4().hex[:8]}"
    plan = {
        "code": code,
        "name": "Once",
        "price": {"value": "10.00", "currency": "RUB"},
        "period": {"unit": "month", "count": 1},
    }

    replies = await asyncio.gather(*(cinema.as_admin("POST", "/internal/v1/plans", plan) for _ in range(10)))

    assert Counter(reply.status_code for reply in replies) == {201: 1, 409: 9}
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} == {"already_exists"}


async def test_a_plan_deleted_while_people_subscribe_is_sold_or_gone(cinema: Cinema) -> None:
    for _ in range(5):
        code = f"plan-{uuid4().hex[:8]}"
        await cinema.sells(code, "10.00")
        people = [await cinema.person() for _ in range(4)]

        deleted, *sold = await asyncio.gather(
            cinema.as_admin("DELETE", f"/internal/v1/plans/{code}"),
            *(person.subscribes(code, "10.00", card=None) for person in people),
        )

        assert deleted.status_code in (200, 204), deleted.text
        assert {reply.status_code for reply in sold} <= {201, 404}, [reply.text for reply in sold]
        if deleted.status_code == 204:
            assert {reply.json()["code"] for reply in sold} == {"plan_not_found"}
