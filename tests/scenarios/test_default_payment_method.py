"""A person has several saved cards, one of which is offered first."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.scenarios.cinema import Cinema, Person


async def _chooses(person: Person, method_id: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": uuid4().hex}
    chosen = {"default": True} if body is None else body
    return await person.cinema.api.patch(f"/v1/payment-methods/{method_id}", json=chosen, headers=headers)


async def _methods(person: Person) -> dict[str, bool]:
    return {one["id"]: one["default"] for one in (await person.reads("/v1/payment-methods"))["items"]}


async def _with_two_cards(cinema: Cinema) -> tuple[Person, str, str]:
    await cinema.sells("kids", "199.00")
    anna = await cinema.person()
    first = (await anna.subscribes("premium", "499.00")).json()["payment"]["payment_method"]["id"]
    second = (await anna.subscribes("kids", "199.00")).json()["payment"]["payment_method"]["id"]
    assert first != second
    return anna, first, second


async def test_the_first_card_is_the_default_until_another_is_chosen(cinema: Cinema) -> None:
    anna, first, second = await _with_two_cards(cinema)
    assert await _methods(anna) == {first: True, second: False}

    for chosen, other in ((second, first), (first, second), (first, second)):
        reply = await _chooses(anna, chosen)
        assert (reply.status_code, reply.json()["id"], reply.json()["default"]) == (200, chosen, True)
        assert await _methods(anna) == {chosen: True, other: False}


async def test_what_is_not_mine_or_was_removed_cannot_be_chosen(cinema: Cinema) -> None:
    anna, first, second = await _with_two_cards(cinema)
    headers = {"Authorization": f"Bearer {anna.token}", "Idempotency-Key": uuid4().hex}
    assert (await cinema.api.delete(f"/v1/payment-methods/{first}", headers=headers)).status_code == 200

    for person, method in ((anna, first), (await cinema.person(), second), (anna, str(uuid4()))):
        assert (await _chooses(person, method)).status_code == 404
    assert (await _chooses(anna, second, {"default": False})).status_code == 422
    assert await _methods(anna) == {second: False}


@pytest.mark.parametrize("canceled", [False, True])
async def test_what_was_canceled_anyway_is_not_said_to_end_for_lack_of_a_method(cinema: Cinema, canceled: bool) -> None:
    boris = await cinema.person()
    its_id = (await boris.subscribes("premium", "499.00")).json()["subscription"]["id"]
    if canceled:
        await boris.posts(f"/v1/subscriptions/{its_id}/cancel", {})
    [method] = await _methods(boris)

    headers = {"Authorization": f"Bearer {boris.token}", "Idempotency-Key": uuid4().hex}
    told = (await cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)).json()["subscriptions"]

    assert [one["id"] for one in told] == ([] if canceled else [its_id])
