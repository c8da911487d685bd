"""Administrators register payment systems, change them, and retire them; what was begun goes on (PAY-11, ADM-2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from infrastructure.postgres.tables import payment_systems
from infrastructure.simulators.yookassa.serve import Running, running
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person

_SECRET = "test_second_secret_key_of_this_shop"


@pytest.fixture(scope="module")
def other(cinema: Cinema) -> Iterator[Running]:
    """Another shop at YooKassa, with books of its own."""
    with running(clock=cinema.clock, shop_id="200600", secret_key=_SECRET) as shop:
        yield shop


@pytest.fixture(autouse=True)
async def changes_are_seen_at_once(cinema: Cinema) -> None:
    cinema.service.payment_systems._fresh_s = 0.0


def _settings(shop: Running) -> dict[str, str]:
    return {"api_url": shop.api_url, "shop_id": shop.shop_id, "secret_key": shop.secret_key}


async def _registered(cinema: Cinema, shop: Running, **more: Any) -> str:
    code = f"shop-{uuid4().hex[:8]}"
    body = {"code": code, "name": "Второй магазин", "adapter": "yookassa", "settings": _settings(shop), **more}
    reply = await cinema.as_admin("POST", "/internal/v1/payment-systems", body)
    assert reply.status_code == 201, reply.text
    assert reply.json() == {"code": code, "name": "Второй магазин", "adapter": "yookassa", "enabled": True}
    return code


async def _subscribes(cinema: Cinema, person: Person, code: str, shop: Running) -> httpx.Response:
    payment = {"type": "token", "payment_token": await shop.control.token(GOOD_CARD)}
    price = {"value": "499.00", "currency": "RUB"}
    body = {"plan_code": "premium", "price": price, "payment": payment, "payment_system": code}
    return await person.posts("/v1/subscriptions", body)


async def test_people_pay_and_are_renewed_through_the_shop_that_they_chose(cinema: Cinema, other: Running) -> None:
    code, anna = await _registered(cinema, other), await cinema.person()

    reply = await _subscribes(cinema, anna, code, other)
    await cinema.time_passes(days=32)

    assert (reply.status_code, reply.json()["payment"]["payment_system"]) == (201, code)
    assert await anna.charged() == []
    theirs = (await other.control.ledger()).payments
    assert [one["amount"] for one in theirs if one["metadata"]["user_id"] == str(anna.id)] == ["499.00"] * 2


async def test_the_secret_key_is_nowhere_to_be_read(cinema: Cinema, other: Running) -> None:
    code = await _registered(cinema, other)
    shown = (await cinema.as_service("GET", f"/internal/v1/payment-systems/{code}")).text
    async with cinema.service.engine.connect() as connection:
        kept = (await connection.execute(select(payment_systems).where(payment_systems.c.code == code))).one()
    assert _SECRET not in shown + str(kept)
    assert "settings" not in shown
    assert sorted(kept.settings) == ["api_url", "secret_key", "shop_id"]


async def test_a_key_that_is_known_is_not_sent_to_an_address_that_is_new(cinema: Cinema, other: Running) -> None:
    code = await _registered(cinema, other)
    moved = {"settings": {"api_url": "https://elsewhere.example/v3"}}

    refused = await cinema.as_admin("PATCH", f"/internal/v1/payment-systems/{code}", moved)

    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["settings.secret_key"]
    assert (await _subscribes(cinema, await cinema.person(), code, other)).status_code == 201, "nothing has changed"


async def test_settings_that_are_changed_are_used_from_then_on(cinema: Cinema, other: Running) -> None:
    code = await _registered(cinema, other, settings={**_settings(other), "secret_key": "an_old_key"})
    before = await _subscribes(cinema, await cinema.person(), code, other)

    path, key = f"/internal/v1/payment-systems/{code}", {"settings": {"secret_key": _SECRET}}
    assert (await cinema.as_admin("PATCH", path, key)).status_code == 200
    after = await _subscribes(cinema, await cinema.person(), code, other)

    assert (before.status_code, before.json()["payment"]["status"]) == (202, "unknown")
    assert (after.status_code, after.json()["payment"]["status"]) == (201, "succeeded")


async def test_one_that_is_switched_off_is_not_chosen_and_comes_back(cinema: Cinema, other: Running) -> None:
    code = await _registered(cinema, other)
    path = f"/internal/v1/payment-systems/{code}"
    switched = await cinema.as_admin("PATCH", path, {"enabled": False, "name": "Закрыт"})
    refused = await _subscribes(cinema, await cinema.person(), code, other)
    await cinema.as_admin("PATCH", path, {"enabled": True})

    assert switched.json() == {"code": code, "name": "Закрыт", "adapter": "yookassa", "enabled": False}
    assert (refused.status_code, refused.json()["code"]) == (422, "payment_system_unavailable")
    assert (await _subscribes(cinema, await cinema.person(), code, other)).status_code == 201


async def test_one_in_use_is_archived_and_one_that_is_not_is_deleted(cinema: Cinema, other: Running) -> None:
    used, unused = await _registered(cinema, other), await _registered(cinema, other)
    assert (await _subscribes(cinema, await cinema.person(), used, other)).status_code == 201

    archived = await cinema.as_admin("DELETE", f"/internal/v1/payment-systems/{used}")
    deleted = await cinema.as_admin("DELETE", f"/internal/v1/payment-systems/{unused}")

    assert (archived.status_code, archived.json()["enabled"]) == (200, False)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await cinema.as_admin("GET", f"/internal/v1/payment-systems/{unused}")).status_code == 404
    assert (await cinema.as_admin("DELETE", f"/internal/v1/payment-systems/{unused}")).status_code == 404
    for code in (used, unused):
        refused = await _subscribes(cinema, await cinema.person(), code, other)
        assert refused.json()["code"] == "payment_system_unavailable"


async def test_deleted_while_people_subscribe_it_is_used_or_gone(cinema: Cinema, other: Running) -> None:
    for _ in range(4):
        code = await _registered(cinema, other)
        people = [await cinema.person() for _ in range(4)]

        deleted, *sold = await asyncio.gather(
            cinema.as_admin("DELETE", f"/internal/v1/payment-systems/{code}"),
            *(_subscribes(cinema, person, code, other) for person in people),
        )

        statuses = {reply.status_code for reply in sold}
        assert statuses <= {201, 422}, [reply.text for reply in sold]
        assert deleted.status_code == (200 if 201 in statuses else 204)


async def test_ten_at_once_register_one(cinema: Cinema) -> None:
    body = {"code": f"shop-{uuid4().hex[:8]}", "name": "Один", "adapter": "imitation"}
    replies = await asyncio.gather(*(cinema.as_admin("POST", "/internal/v1/payment-systems", body) for _ in range(10)))
    assert Counter(reply.status_code for reply in replies) == {201: 1, 409: 9}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"adapter": "tinkoff"}, "adapter"),
        ({"settings": {"password": "x"}}, "settings.password"),
        ({"settings": {"api_url": "ftp://yookassa"}}, "settings.api_url"),
        ({"settings": {"secret_key": "with spaces\n"}}, "settings.secret_key"),
        ({"settings": {"secret_key": ""}}, "settings.secret_key"),
        ({"settings": {"api_url": "https://elsewhere.example/v3"}}, "settings.secret_key"),
        ({"code": "с кириллицей"}, "code"),
        ({"name": ""}, "name"),
        ({"color": "red"}, "color"),
    ],
)
async def test_what_no_payment_system_could_be_built_of_is_refused(
    cinema: Cinema, change: dict[str, Any], field: str
) -> None:
    body = {"code": f"shop-{uuid4().hex[:8]}", "name": "Магазин", "adapter": "yookassa", **change}
    reply = await cinema.as_admin("POST", "/internal/v1/payment-systems", body)
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert [error["field"] for error in reply.json()["errors"]] == [field]
    assert "with spaces" not in reply.text


async def test_only_administrators_may(cinema: Cinema) -> None:
    body = {"code": f"shop-{uuid4().hex[:8]}", "name": "Магазин", "adapter": "imitation"}
    assert (await cinema.as_service("POST", "/internal/v1/payment-systems", body)).status_code == 403
    assert (await cinema.as_service("PATCH", "/internal/v1/payment-systems/yookassa", {})).status_code == 403
    assert (await cinema.as_service("DELETE", "/internal/v1/payment-systems/yookassa")).status_code == 403


async def test_each_account_is_reconciled_by_its_own_books(cinema: Cinema, other: Running) -> None:
    first, second = await _registered(cinema, other), await _registered(cinema, other)
    accounts = await cinema.service.payment_systems.accounts()
    [ours] = [codes for codes in accounts if first in codes]
    assert second in ours, "the same shop under two codes"
    assert "yookassa" not in ours
