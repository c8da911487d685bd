"""Payment links: where the person comes back to, and how the link is handed over."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.utils.html import format_html

from admin.acts import Text
from admin.commands_api import Done
from admin.wording import said, say


def address_field() -> forms.URLField:
    return forms.URLField(
        label=say("Where the payment page leads back to"),
        max_length=2048,
        assume_scheme="https",
        initial=_cinemas_page,
    )


def _cinemas_page() -> str:
    """While it is being tried out there is none, and the API's pages stand in for it."""
    given = settings.GIVEN
    return given.account_url or ("" if given.production else f"{given.base_url}/docs")


def told_link(answer: Done) -> Text:
    """The link stands in the message, to be copied and sent."""
    url = str((answer.body.get("payment") or {}).get("confirmation_url") or "")
    if not url.startswith(("https://", "http://")):
        return said("The payment system has not answered yet: the link will stand on the payment's page.")
    return format_html(
        '{}: <a class="pay-link" href="{}">{}</a>', said("The link to pay, to be sent to the user"), url, url
    )
