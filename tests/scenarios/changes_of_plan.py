"""What stories about a change of plan have in common: the plans, the calls, and how time comes to a period's end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.scenarios.cinema import Cinema, Person

BACK = {"type": "redirect", "return_url": "https://cinema.example/back"}


@pytest.fixture(autouse=True)
async def plans(cinema: Cinema) -> None:
    await cinema.sells("basic", "299.00")
    await cinema.sells("family", "999.00")
    await cinema.sells("weekly", "99.00", period={"unit": "week", "count": 1})
    await cinema.sells("yearly", "4990.00", period={"unit": "year", "count": 1})


async def subscribed(cinema: Cinema, plan: str = "premium", price: str = "499.00") -> tuple[Person, str]:
    person = await cinema.person()
    reply = await person.subscribes(plan, price)
    assert reply.status_code == 201, reply.text
    return person, reply.json()["subscription"]["id"]


async def changes(
    person: Person, its_id: str, plan: str, price: str, when: str = "now", payment: Any = None
) -> httpx.Response:
    body: dict[str, Any] = {"plan_code": plan, "price": {"value": price, "currency": "RUB"}, "when": when}
    if payment is not None:
        body["payment"] = payment
    return await person.posts(f"/v1/subscriptions/{its_id}/change-plan", body)


async def asks_for_preview(person: Person, its_id: str, plan: str, when: str = "now") -> httpx.Response:
    path = f"/v1/subscriptions/{its_id}/change-plan-preview?plan_code={plan}&when={when}"
    return await person.cinema.api.get(path, headers={"Authorization": f"Bearer {person.token}"})


async def preview(person: Person, its_id: str, plan: str, when: str = "now") -> dict[str, Any]:
    reply = await asks_for_preview(person, its_id, plan, when)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def until_end(cinema: Cinema, person: Person) -> None:
    end = datetime.fromisoformat((await person.subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds())
