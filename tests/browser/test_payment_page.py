"""The payment page as a person meets it, in a real browser."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from infrastructure.simulators.yookassa.serve import Running, running

pytestmark = pytest.mark.browser

SUCCEEDS = "4111111111111111"
WITH_BANK_STEP = "2200000000000004"
NO_MONEY = "5555555555554600"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Running]:
    with running() as simulator:
        yield simulator


class Page:
    """One payment or binding, and the browser in front of it."""

    def __init__(self, chromium: WebDriver, simulator: Running, *, binding: bool = False, **changes: Any) -> None:
        self.browser = chromium
        self._simulator = simulator
        self._path = "/payment_methods" if binding else "/payments"
        # The way back leads to a page of the simulator itself: nothing else is reachable from here.
        confirmation = {"type": "redirect", "return_url": f"{simulator.url}/healthz"}
        payment = {"amount": {"value": "1499.00", "currency": "RUB"}, "description": "Подписка «Кино»", "capture": True}
        body = {"type": "bank_card"} if binding else payment | {"payment_method_data": {"type": "bank_card"}}
        made = self._call("POST", self._path, json=body | {"confirmation": confirmation} | changes)
        self.id: str = made["id"]
        self.browser.get(made["confirmation"]["confirmation_url"])

    def object(self) -> dict[str, Any]:
        return self._call("GET", f"{self._path}/{self.id}")

    def find(self, element_id: str) -> WebElement:
        found = expected_conditions.presence_of_element_located((By.ID, element_id))
        return WebDriverWait(self.browser, 10).until(found)

    def text(self, element_id: str) -> str:
        """What stands there as soon as something does: the page that a form leads to may still be on its way."""
        told = WebDriverWait(
            self.browser, 10, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException]
        )
        return told.until(lambda browser: browser.find_element(By.ID, element_id).text)

    def enter(self, number: str, expiry: str = "1240", csc: str = "123") -> None:
        for name, value in (("number", number), ("expiry", expiry), ("csc", csc)):
            self.find(name).clear()
            self.find(name).send_keys(value)
        self.find("submit").click()

    def value(self, element_id: str) -> str:
        return self.find(element_id).get_property("value")  # type: ignore[return-value] # selenium says too little

    def wait_for_return(self) -> None:
        WebDriverWait(self.browser, 10).until(expected_conditions.url_to_be(f"{self._simulator.url}/healthz"))

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = httpx.request(
            method,
            self._simulator.api_url + path,
            auth=(self._simulator.shop_id, self._simulator.secret_key),
            headers={"Idempotence-Key": str(uuid.uuid4())},
            **options,
        )
        body: dict[str, Any] = answer.raise_for_status().json()
        return body


def complaints(chromium: WebDriver) -> list[Any]:
    """What the browser has written into its console since it was asked last."""
    found: list[Any] = chromium.get_log("browser")  # type: ignore[no-untyped-call] # selenium says no types here
    return found


def test_a_person_pays_and_comes_back_to_the_shop(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    assert (page.text("amount"), page.text("submit")) == ("1 499,00 ₽", "Оплатить 1 499,00 ₽")
    assert "Подписка «Кино»" in chromium.page_source
    page.enter(SUCCEEDS)
    assert page.text("outcome") == "Оплачено 1 499,00 ₽"
    assert page.object()["status"] == "succeeded"
    page.wait_for_return()


def test_the_card_is_written_in_groups_as_it_is_typed(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    page.find("number").send_keys(SUCCEEDS)
    page.find("expiry").send_keys("940")
    assert (page.value("number"), page.value("expiry"), page.text("network")) == (
        "4111 1111 1111 1111",
        "09/40",
        "Visa",
    )
    page.find("number").send_keys(Keys.HOME, Keys.DELETE, "5")
    assert page.value("number") == "5111 1111 1111 1111"


@pytest.mark.parametrize(
    ("card", "field", "message"),
    [
        (("4111111111111112", "1240", "123"), "number", "Проверьте номер карты"),
        ((SUCCEEDS, "1320", "123"), "expiry", "Проверьте срок"),
        ((SUCCEEDS, "0120", "123"), "expiry", "Проверьте срок"),
        ((SUCCEEDS, "1240", "12"), "csc", "Нужны 3 или 4 цифры"),
    ],
)
def test_a_mistake_is_told_beside_its_field(
    chromium: WebDriver, simulator: Running, card: tuple[str, str, str], field: str, message: str
) -> None:
    page = Page(chromium, simulator)
    page.enter(*card)
    assert page.text(f"{field}-error") == message
    assert page.find(field).get_attribute("aria-invalid") == "true"
    assert chromium.switch_to.active_element.get_attribute("id") == field
    assert page.object()["status"] == "pending"


def test_without_scripts_the_server_notices_the_same_mistakes(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    wrong = {"number": "4111 1111 1111 1112", "expiry": "12/40", "csc": "123"}
    answer = httpx.post(chromium.current_url, data=wrong, headers={"Accept-Language": "en"})
    assert (answer.status_code, "Check the card number" in answer.text) == (422, True)
    assert page.object()["status"] == "pending"


def test_after_a_decline_another_card_may_be_tried(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    page.enter(NO_MONEY)
    assert "На карте не хватает денег" in page.text("decline")
    assert page.object()["status"] == "pending"
    page.enter(SUCCEEDS)
    assert "Оплачено" in page.text("outcome")


def test_the_bank_asks_for_a_code(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    page.enter(WITH_BANK_STEP)
    page.find("code").send_keys("0000")
    page.find("confirm").click()
    assert "Осталось попыток: 2" in page.text("code-error")
    page.find("code").send_keys("1234")
    page.find("confirm").click()
    assert "Оплачено" in page.text("outcome")
    assert page.object()["authorization_details"]["three_d_secure"] == {"applied": True}


def test_refusing_at_the_bank_leads_back_to_the_card(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    page.enter(WITH_BANK_STEP)
    page.find("refuse").click()
    assert "Банк не получил подтверждения" in page.text("decline")
    assert page.object()["status"] == "pending"


def test_leaving_cancels_the_payment_and_leads_back_to_the_shop(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator)
    page.find("leave").click()
    page.wait_for_return()
    assert page.object()["cancellation_details"] == {"party": "yoo_money", "reason": "expired_on_confirmation"}
    chromium.back()
    chromium.refresh()
    assert page.text("outcome") == "Платёж отменён"


def test_a_card_is_bound_without_a_charge(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator, binding=True)
    assert page.text("submit") == "Привязать карту"
    page.enter(WITH_BANK_STEP)
    page.find("code").send_keys("1234", Keys.ENTER)
    assert page.text("outcome") == "Карта привязана"
    assert (page.object()["status"], page.object()["saved"]) == ("active", True)


def test_the_page_speaks_the_language_that_the_shop_asked_for(chromium: WebDriver, simulator: Running) -> None:
    confirmation = {"type": "redirect", "return_url": "https://cinema.example/", "locale": "en_US"}
    page = Page(chromium, simulator, confirmation=confirmation)
    assert page.text("submit") == "Pay ₽1,499.00"
    assert chromium.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out_on_any_screen(chromium: WebDriver, simulator: Running, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = Page(chromium, simulator, description="Ж" * 128)
        page.enter("1", "1", "1")
        for _ in range(2):
            assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
            page.enter(WITH_BANK_STEP)
            page.find("code")
            assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
            page.find("refuse").click()
            page.find("decline")
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_needs_nothing_from_elsewhere(chromium: WebDriver, simulator: Running) -> None:
    complaints(chromium)  # those of earlier pages
    page = Page(chromium, simulator)
    names = chromium.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in names if not name.startswith("data:")] == []
    page.enter(SUCCEEDS)
    page.find("outcome")
    assert complaints(chromium) == []


def test_a_text_from_the_shop_stays_a_text(chromium: WebDriver, simulator: Running) -> None:
    page = Page(chromium, simulator, description="<script>document.title='taken'</script>")
    assert "<script>document.title=" in chromium.find_element(By.CLASS_NAME, "order").text
    assert chromium.title != "taken"
    assert page.object()["status"] == "pending"


def test_a_wrong_address_says_so(chromium: WebDriver, simulator: Running) -> None:
    chromium.get(f"{simulator.url}/checkout/22e12f66-000f-5000-8000-18db351245c7")
    assert "Такой страницы оплаты нет" in chromium.find_element(By.TAG_NAME, "h1").text
