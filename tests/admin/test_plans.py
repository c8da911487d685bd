"""Administrators put plans on sale, change and retire them (ADM-1)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from infrastructure.postgres.tables import plan_prices, plans
from tests.admin.panel import Administrator, Panel
from tests.scenarios.cinema import Cinema

_ADD = "/billing/plan/add/"


def _plan(**changes: Any) -> dict[str, Any]:
    code = f"plan-{uuid4().hex[:8]}"
    given = {"code": code, "name": f"Тариф {code}", "price": "349.50", "period_count": "1", "period_unit": "month"}
    return {**given, "trial_days": "0", "description": "", "available": "on", **changes}


async def _shown(cinema: Cinema, code: str) -> dict[str, Any]:
    reply = await cinema.as_admin("GET", f"/internal/v1/plans/{code}")
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def _address(cinema: Cinema, code: str) -> str:
    async with cinema.service.engine.connect() as connection:
        key = (await connection.execute(select(plans.c.id).where(plans.c.code == code))).scalar_one()
    return f"/billing/plan/{key}"


async def test_a_plan_that_was_added_can_be_subscribed_to(cinema: Cinema, boss: Administrator) -> None:
    plan = _plan()
    page = await boss.sends(_ADD, **plan)
    anna = await cinema.person()

    assert f"The plan was added: {plan['name']}" in page.text
    assert (await anna.subscribes(plan["code"], "349.50")).status_code == 201


async def test_its_price_is_changed_and_the_old_one_stays_in_its_history(cinema: Cinema, boss: Administrator) -> None:
    plan = _plan()
    await boss.sends(_ADD, **plan)
    address = await _address(cinema, plan["code"])

    page = await boss.sends(f"{address}/edit/", name="Новое имя", price="399.00", available="on")

    assert "The plan was changed" in page.text
    assert page.text.count("399.00\xa0₽".replace("\xa0", " ")) == 2, "the price that holds, and the history of prices"
    shown = await _shown(cinema, plan["code"])
    assert (shown["name"], shown["price"]["value"]) == ("Новое имя", "399.00")


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_of_two_who_edit_a_plan_at_once_neither_takes_back_what_the_other_did(
    cinema: Cinema, panel: Panel, language: str
) -> None:
    plan = _plan(description="по-старому")
    await panel.boss.sends(_ADD, **plan)
    path = f"{await _address(cinema, plan['code'])}/edit/"
    first, second = [await panel.somebody("Administrators", language) for _ in range(2)]
    unchanged = {name: plan[name] for name in ("name", "description", "available")}
    old_price = plan["price"].replace(".", ",") if language == "ru" else plan["price"]
    both = [await one.opens(path) for one in (first, second)]

    await first.sends_again(both[0], path, **unchanged, price="399.00")
    await second.sends_again(both[1], path, **{**unchanged, "description": "по-новому"}, price=old_price)

    shown = await _shown(cinema, plan["code"])
    assert (shown["price"]["value"], shown["description"]) == ("399.00", "по-новому")
    assert (shown["name"], shown["available"]) == (plan["name"], True)


async def test_who_edits_a_plan_after_a_mistake_still_sends_only_what_they_changed(
    cinema: Cinema, panel: Panel, boss: Administrator
) -> None:
    plan = _plan()
    await boss.sends(_ADD, **plan)
    path = f"{await _address(cinema, plan['code'])}/edit/"
    as_it_stood = {"price": plan["price"], "available": "on", "description": ""}
    form = await boss.opens(path)
    mistaken = await boss.sends_again(form, path, **as_it_stood, name="")
    other = await panel.somebody("Administrators")
    await other.sends(path, **{**as_it_stood, "price": "399.00"}, name=plan["name"])

    await boss.sends_again(mistaken, path, **as_it_stood, name="Новое имя")

    shown = await _shown(cinema, plan["code"])
    assert (shown["name"], shown["price"]["value"]) == ("Новое имя", "399.00")


async def test_one_in_use_is_archived_and_one_that_is_not_is_deleted(cinema: Cinema, boss: Administrator) -> None:
    used, unused = _plan(), _plan()
    for plan in (used, unused):
        await boss.sends(_ADD, **plan)
    boris = await cinema.person()
    await boris.subscribes(used["code"], "349.50")

    archived = await boss.sends(f"{await _address(cinema, used['code'])}/retire/")
    deleted = await boss.sends(f"{await _address(cinema, unused['code'])}/retire/")

    assert "archived, for it is in use" in archived.text
    assert "The plan was deleted" in deleted.text
    assert deleted.at == "/billing/plan/"
    assert not (await _shown(cinema, used["code"]))["available"]
    await boss.sends(f"{await _address(cinema, used['code'])}/edit/", name=used["name"], price="349.50", available="on")
    assert (await _shown(cinema, used["code"]))["available"], "what was archived by mistake comes back"
    assert unused["name"] not in (await boss.opens("/billing/plan/")).text


async def test_a_double_click_adds_one_plan(cinema: Cinema, boss: Administrator) -> None:
    plan = _plan()
    form = await boss.opens(_ADD)

    pages = await asyncio.gather(*(boss.sends_again(form, _ADD, **plan) for _ in range(3)))

    assert all("The plan was added" in page.text or page.at == "/billing/plan/" for page in pages)
    async with cinema.service.engine.connect() as connection:
        mine = select(func.count()).select_from(plans.join(plan_prices)).where(plans.c.code == plan["code"])
        assert (await connection.execute(mine)).scalar_one() == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"price": "0"}, "1"),
        ({"price": "много"}, "number"),
        ({"name": ""}, "required"),
        ({"code": "с кириллицей"}, "The service says"),
        ({"period_count": "0"}, "greater than or equal to 1"),
    ],
)
async def test_what_is_no_plan_is_told_beside_its_field(boss: Administrator, change: dict[str, str], told: str) -> None:
    page = await boss.sends(_ADD, **_plan(**change))
    assert page.at == _ADD
    assert told in page.text
    assert 'class="field has-error"' in page.source


async def test_a_code_that_is_taken_is_refused_in_plain_words_and_another_one_is_taken(boss: Administrator) -> None:
    plan = _plan()
    await boss.sends(_ADD, **plan)

    refused = await boss.sends(_ADD, **plan)
    again = await boss.sends_again(refused, _ADD, **(plan | {"code": f"{plan['code']}-2"}))

    assert "There is one with this code already" in refused.text
    assert "The plan was added" in again.text


async def test_support_sees_plans_and_cannot_touch_them(cinema: Cinema, panel: Panel) -> None:
    support = await panel.somebody("Support")
    address = await _address(cinema, "premium")

    assert "premium" in (await support.opens(f"{address}/change/")).text
    for path in (_ADD, f"{address}/edit/", f"{address}/retire/"):
        assert (await support.opens(path)).status == 403
        assert (await support.browser.post(path)).status_code == 403
