"""The panel as Django sees it. Django's own admin is called `admin` there already, so this is `billing`."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class BillingConfig(AppConfig):
    name = "admin"
    label = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """What is shown registers itself, Django's own accounts of administrators included."""
        from admin import accounts, rooms  # noqa: F401, PLC0415 - need the models, which are loaded only now


class SiteConfig(SimpleAdminConfig):
    default_site = "admin.site.BillingSite"
