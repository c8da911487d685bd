"""The site: what it is called, and what is on its first page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from admin.models import Case, Payment
from admin.wording import say

_ENOUGH = 1000
_ORDER = ["Case", "Person", "Subscription", "Payment", "Refund", "Plan", "PaymentSystem", "Event", "Mail"]


class BillingSite(admin.AdminSite):
    site_header = say("Cinema billing")
    site_title = say("Cinema billing")
    index_title = say("What is to be looked at")
    site_url = None
    enable_nav_sidebar = False
    index_template = "billing/index.html"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The rooms in the order of their use, not of the alphabet."""
        found = super().get_app_list(request, app_label)
        for app in found:
            if app["app_label"] == "billing":
                app["models"].sort(key=lambda one: _ORDER.index(one["object_name"]))
        return found

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """How much waits for a person; each count ends at a thousand and follows an index."""
        open_cases = Case.objects.filter(resolved_at=None)[:_ENOUGH].count()
        unknown = Payment.objects.filter(ask_again_at__isnull=False, status="unknown")[:_ENOUGH].count()
        return super().index(request, {"open_cases": open_cases, "unknown": unknown, **(extra_context or {})})
