"""The admin panel as an administrator meets it, in a real browser."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.admin.conftest import cinema, database, panel
from tests.admin.panel import PASSWORD, Panel
from tests.browser.leaving import wait_until_left
from tests.browser.test_payment_page import complaints
from tests.scenarios.cinema import Cinema
from tests.servers import migrated, postgres, valkey

__all__ = ["cinema", "database", "migrated", "panel", "postgres", "valkey"]

pytestmark = pytest.mark.browser


def _enter(chromium: WebDriver, **fields: str) -> None:
    for name, value in fields.items():
        field = chromium.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)


def _press(chromium: WebDriver, button: str = "form.act-form button[type=submit]", clicks: int = 1) -> str:
    """Press it, as impatiently as that; what the page says that it leads to."""
    pressed = chromium.find_element(By.CSS_SELECTOR, button)
    chromium.execute_script("for (let i = 0; i < arguments[1]; i++) arguments[0].click()", pressed, clicks)
    wait_until_left(chromium, pressed)
    return chromium.find_element(By.TAG_NAME, "body").text


def _log_in(chromium: WebDriver, panel: Panel) -> str:
    chromium.get(panel.url)
    _enter(chromium, username="admin", password=PASSWORD)
    return _press(chromium, "#login-form [type=submit]")


def _add_plan(chromium: WebDriver, panel: Panel, code: str) -> str:
    chromium.get(f"{panel.url}/billing/plan/add/")
    _enter(chromium, code=code, name=f"Тариф {code}", price="349,50")
    return _press(chromium)


def _return_part(chromium: WebDriver, panel: Panel, payment: str) -> str:
    chromium.get(f"{panel.url}/billing/payment/{payment}/change/")
    chromium.find_element(By.LINK_TEXT, "Вернуть деньги").click()
    _enter(chromium, amount="100,00", reason="подарок")
    return _press(chromium, clicks=3)


def _sticks_out(chromium: WebDriver, address: str, width: int) -> int:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        chromium.get(address)
        wide: int = chromium.execute_script("return document.documentElement.scrollWidth")
        return wide - width
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


async def test_an_administrator_logs_in_adds_a_plan_and_returns_a_part_of_a_payment(
    chromium: WebDriver, panel: Panel, cinema: Cinema
) -> None:
    code = f"plan-{uuid4().hex[:8]}"
    complaints(chromium)  # those of earlier pages

    # In threads, for the API answers in the loop of this test.
    assert "Требует внимания" in await asyncio.to_thread(_log_in, chromium, panel)
    assert f"Тариф добавлен: Тариф {code}" in await asyncio.to_thread(_add_plan, chromium, panel, code)
    anna = await cinema.person()
    reply = await anna.subscribes(code, "349.50")
    assert reply.status_code == 201, reply.text
    payment = reply.json()["payment"]["id"]
    assert "Возврат отправлен: 100,00 ₽" in await asyncio.to_thread(_return_part, chromium, panel, payment)
    await cinema.works()

    shown = await anna.reads(f"/v1/payments/{payment}")
    assert shown["refunded"]["value"] == "100.00"
    assert len(shown["refunds"]) == 1, "three clicks are one refund"
    page = f"{panel.url}/billing/payment/{payment}/change/"
    await asyncio.to_thread(chromium.get, page)
    assert "100,00" in chromium.find_element(By.CSS_SELECTOR, ".sheet table .money").text
    for width in (390, 768, 1280):
        assert await asyncio.to_thread(_sticks_out, chromium, page, width) <= 0, width
    assert complaints(chromium) == []
