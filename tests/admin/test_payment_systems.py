"""Administrators register payment systems, change and retire them, and never see a secret again (ADM-2)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import select

from infrastructure.postgres.tables import payment_systems
from tests.admin.panel import Administrator
from tests.scenarios.cinema import Cinema

_ADD = "/billing/paymentsystem/add/"
_SECRET = "test_secret_that_nobody_reads_again"


def _shop(**changes: Any) -> dict[str, Any]:
    code = f"shop-{uuid4().hex[:8]}"
    settings = {"api_url": "https://pay.example/v3", "shop_id": "200700", "secret_key": _SECRET}
    return {"code": code, "name": f"Магазин {code}", "adapter": "yookassa", "enabled": "on", **settings, **changes}


async def _address(cinema: Cinema, code: str) -> str:
    async with cinema.service.engine.connect() as connection:
        query = select(payment_systems.c.id).where(payment_systems.c.code == code)
        return f"/billing/paymentsystem/{(await connection.execute(query)).scalar_one()}"


async def _shown(cinema: Cinema, code: str) -> Any:
    return (await cinema.as_admin("GET", f"/internal/v1/payment-systems/{code}")).json()


async def test_one_is_added_and_its_secret_is_on_no_page(cinema: Cinema, boss: Administrator) -> None:
    shop = _shop()

    added = await boss.sends(_ADD, **shop)

    assert f"The payment system was added: {shop['name']}" in added.text
    assert (await _shown(cinema, shop["code"]))["enabled"]
    address = await _address(cinema, shop["code"])
    for path in (f"{address}/change/", f"{address}/edit/", f"{address}/retire/", "/billing/paymentsystem/"):
        page = await boss.opens(path)
        assert page.status == 200
        for secret in (_SECRET, "200700", "pay.example"):
            assert secret not in page.source


async def test_editing_the_name_leaves_its_settings_as_they_are(cinema: Cinema, boss: Administrator) -> None:
    shop = _shop()
    await boss.sends(_ADD, **shop)
    address = await _address(cinema, shop["code"])
    query = select(payment_systems.c.settings).where(payment_systems.c.code == shop["code"])
    async with cinema.service.engine.connect() as connection:
        before = (await connection.execute(query)).scalar_one()

    page = await boss.sends(f"{address}/edit/", name="Другое имя", enabled=None)

    assert "The payment system was changed" in page.text
    assert await _shown(cinema, shop["code"]) == {
        "code": shop["code"],
        "name": "Другое имя",
        "adapter": "yookassa",
        "enabled": False,
    }
    async with cinema.service.engine.connect() as connection:
        assert (await connection.execute(query)).scalar_one() == before


async def test_who_renames_one_does_not_switch_it_on_again_that_another_has_switched_off(
    cinema: Cinema, boss: Administrator
) -> None:
    shop = _shop()
    await boss.sends(_ADD, **shop)
    path = f"{await _address(cinema, shop['code'])}/edit/"
    form = await boss.opens(path)
    await boss.sends(path, name=shop["name"], enabled=None)

    page = await boss.sends_again(form, path, name="Другое имя", enabled="on", secret_key=_SECRET)

    assert "The payment system was changed" in page.text
    shown = await _shown(cinema, shop["code"])
    assert (shown["name"], shown["enabled"]) == ("Другое имя", False)


async def test_a_secret_in_a_form_with_a_mistake_does_not_come_back(cinema: Cinema, boss: Administrator) -> None:
    shop = _shop()
    await boss.sends(_ADD, **shop)
    page = await boss.sends(f"{await _address(cinema, shop['code'])}/edit/", name="", secret_key=_SECRET)
    assert "required" in page.text
    assert _SECRET not in page.source


async def test_a_new_secret_replaces_the_old_one(cinema: Cinema, boss: Administrator) -> None:
    shop = _shop()
    await boss.sends(_ADD, **shop)
    query = select(payment_systems.c.settings).where(payment_systems.c.code == shop["code"])
    async with cinema.service.engine.connect() as connection:
        before = (await connection.execute(query)).scalar_one()

    await boss.sends(
        f"{await _address(cinema, shop['code'])}/edit/", name="Магазин", enabled="on", secret_key="another"
    )

    async with cinema.service.engine.connect() as connection:
        after = (await connection.execute(query)).scalar_one()
    assert after["secret_key"] != before["secret_key"]
    assert after["shop_id"] == before["shop_id"]


async def test_a_setting_that_is_none_is_told_beside_its_field_and_not_repeated(boss: Administrator) -> None:
    page = await boss.sends(_ADD, **_shop(secret_key="with spaces in it"))
    assert "The service says: expected printable ASCII, no spaces" in page.text
    assert "with spaces in it" not in page.source


async def test_one_that_nobody_paid_through_is_deleted(cinema: Cinema, boss: Administrator) -> None:
    shop = _shop()
    await boss.sends(_ADD, **shop)

    page = await boss.sends(f"{await _address(cinema, shop['code'])}/retire/")

    assert "The payment system was deleted" in page.text
    assert (await cinema.as_admin("GET", f"/internal/v1/payment-systems/{shop['code']}")).status_code == 404


async def test_one_that_was_paid_through_is_archived_and_comes_back_once_it_is_enabled(
    cinema: Cinema, boss: Administrator
) -> None:
    shop = _shop(adapter="imitation", api_url="", shop_id="", secret_key="")
    await boss.sends(_ADD, **shop)
    async with cinema.service.engine.begin() as connection:
        used = payment_systems.update().where(payment_systems.c.code == shop["code"]).values(used=True)
        await connection.execute(used)

    address = await _address(cinema, shop["code"])
    page = await boss.sends(f"{address}/retire/")

    assert "archived, for it was paid through" in page.text
    assert page.links("/retire/") == []
    await boss.sends(f"{address}/edit/", name="Из архива")
    assert not (await _shown(cinema, shop["code"]))["enabled"], "a new name alone brings nothing back"
    await boss.sends(f"{address}/edit/", name="Из архива", enabled="on")
    assert (await _shown(cinema, shop["code"]))["enabled"]
