"""The simulator's own page: its books can be read and things broken by hand."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from infrastructure.simulators.yookassa.serve import Running, running
from tests.browser.leaving import wait_until_left

pytestmark = pytest.mark.browser


@pytest.fixture
def simulator() -> Iterator[Running]:
    with running() as simulator:
        yield simulator


def me(simulator: Running) -> int:
    return httpx.get(f"{simulator.api_url}/me", auth=(simulator.shop_id, simulator.secret_key)).status_code


def press(chromium: WebDriver, text: str) -> None:
    """And wait for the page that it leads to."""
    button = chromium.find_element(By.XPATH, f"//button[normalize-space()='{text}']")
    button.click()
    wait_until_left(chromium, button)


def test_a_fault_is_set_and_lifted_by_hand(chromium: WebDriver, simulator: Running) -> None:
    chromium.get(f"{simulator.url}/_simulator/")
    assert "Нарочно ничего не сломано." in chromium.page_source
    Select(chromium.find_element(By.NAME, "operation")).select_by_visible_text("get_me")
    Select(chromium.find_element(By.NAME, "kind")).select_by_visible_text("error_500")
    chromium.find_element(By.NAME, "times").clear()
    press(chromium, "Поставить сбой")
    assert [me(simulator), me(simulator)] == [500, 500]
    press(chromium, "Снять")
    assert me(simulator) == 200


def test_the_whole_system_is_taken_down_and_brought_up(chromium: WebDriver, simulator: Running) -> None:
    chromium.get(f"{simulator.url}/_simulator/")
    Select(chromium.find_element(By.NAME, "mode")).select_by_visible_text("unavailable")
    press(chromium, "Уронить всю систему")
    assert "Система лежит" in chromium.page_source
    assert me(simulator) == 503
    press(chromium, "Поднять систему")
    assert me(simulator) == 200


def test_a_fault_that_makes_no_sense_is_explained(chromium: WebDriver, simulator: Running) -> None:
    chromium.get(f"{simulator.url}/_simulator/")
    chromium.execute_script("document.querySelector('[name=kind]').options[0].text = 'no such'")
    press(chromium, "Поставить сбой")
    assert "no such" in chromium.find_element(By.CLASS_NAME, "alert").text


async def test_the_books_are_shown(chromium: WebDriver, simulator: Running) -> None:
    payment = await simulator.control.invent_payment("1499.00", {"payment_id": "ours-1"})
    await simulator.control.cabinet_refund(payment, "99.00")
    chromium.get(f"{simulator.url}/_simulator/")
    shown = chromium.find_element(By.TAG_NAME, "main").text
    for text in (payment, "ours-1", "1 499,00 ₽", "99,00 ₽", "succeeded"):
        assert text in shown.replace("\u00a0", " ")
