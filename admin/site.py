"""The site: what is on its first page, and how the panel reaches the API."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from admin.commands_api import CommandsApi
from admin.models import Case, Payment
from admin.wording import say
from infrastructure.auth.service_token import token_in

_ENOUGH = 1000


class BillingSite(admin.AdminSite):
    site_header = say("Cinema billing")
    site_title = say("Cinema billing")
    index_title = say("What is to be looked at")
    site_url = None
    enable_nav_sidebar = False
    index_template = "billing/index.html"

    @cached_property
    def commands(self) -> CommandsApi:
        given = settings.GIVEN
        return CommandsApi(given.admin_api_url or given.base_url, token_in(given.admin_api_token))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """How much waits for a person; each count ends at a thousand and follows an index."""
        open_cases = Case.objects.filter(resolved_at=None)[:_ENOUGH].count()
        unknown = Payment.objects.filter(ask_again_at__isnull=False, status="unknown")[:_ENOUGH].count()
        return super().index(request, {"open_cases": open_cases, "unknown": unknown, **(extra_context or {})})
