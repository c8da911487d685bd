"""Waiting for the page that a press leads to."""

from __future__ import annotations

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait


def wait_until_left(chromium: WebDriver, pressed: WebElement, patience_s: float = 20) -> None:
    """Until the page on which it was pressed is gone.

    While one page gives way to the next Chromium may say so in words that Selenium does not know ("does not belong to
    the document"): it is asked again.
    """
    waiting = WebDriverWait(chromium, patience_s, ignored_exceptions=[WebDriverException])
    waiting.until(expected_conditions.staleness_of(pressed))
