"""What stands around every page."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

Page = Callable[[HttpRequest], HttpResponse]

ZONE_COOKIE = "billing_admin_zone"
_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def content_security(get_response: Page) -> Page:
    """Nothing from elsewhere runs in a page that can move money."""

    def page(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return page


def local_time(get_response: Page) -> Page:
    """Times are shown by the reader's clock, whose zone the browser tells (static/billing/panel.js)."""

    def page(request: HttpRequest) -> HttpResponse:
        told = unquote(request.COOKIES.get(ZONE_COOKIE, ""))
        try:
            zone = zoneinfo.ZoneInfo(told) if told else None
        except (KeyError, ValueError, OSError):  # no such zone, or nothing that could be one
            zone = None
        with timezone.override(zone):
            return get_response(request)

    return page


class PlainTrouble:
    """A database that is away, or a list that is too broad, is told in a sentence and not as a malfunction."""

    def __init__(self, get_response: Page) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """None leaves it to Django."""
        if not isinstance(error, Error):
            return None
        sent = request.method == "POST"  # the trouble may have come after it was done
        too_broad = not sent and "statement timeout" in str(error)
        return render(request, "billing/trouble.html", {"sent": sent, "too_broad": too_broad}, status=503)


plain_trouble = PlainTrouble
