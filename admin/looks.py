"""How amounts, states and instants look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from admin.wording import in_russian, said
from domain.money import Money
from infrastructure.mail.reasons import explain

NOTHING: Final = "–"

_SIGNS = {"RUB": "₽"}
_COLOURS = {
    "active": "good",
    "succeeded": "good",
    "sent": "good",
    "trialing": "good",
    "pending": "waiting",
    "owed": "waiting",
    "past_due": "warning",
    "unknown": "warning",
    "undeliverable": "bad",
    "canceled": "quiet",
    "expired": "quiet",
}


def money(minor: int | None, currency: str | None) -> str:
    """`1 499,00 ₽` in Russian, `1,499.00 ₽` in English; always in minor units here."""
    if minor is None or currency is None:
        return NOTHING
    whole, kopecks = Money(minor, currency).value.split(".")
    thousands, point = ("\u00a0", ",") if in_russian() else (",", ".")
    grouped = f"{int(whole):,}".replace(",", thousands)
    return format_html(
        '<span class="money">{}</span>', f"{grouped}{point}{kopecks}\u00a0{_SIGNS.get(currency, currency)}"
    )


def badge(state: str) -> SafeString:
    return format_html('<span class="badge {}">{}</span>', _COLOURS.get(state, "quiet"), said(state))


def flag(text: str, colour: str) -> SafeString:
    return format_html('<span class="badge {}">{}</span>', colour, said(text))


def when(at: datetime | None) -> str:
    """By the reader's clock."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at)
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), date_format(local, "SHORT_DATETIME_FORMAT"))


def period(start: datetime | None, end: datetime | None) -> str:
    return format_html("{} – {}", when(start), when(end)) if start and end else NOTHING


def link(target: Model | None, text: str = "") -> str:
    if target is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', address(target), text or str(target))


def link_to(model: str, key: object, text: str = "") -> str:
    """To an object of which only the id is known here."""
    if key is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', reverse(f"admin:billing_{model}_change", args=[key]), text or str(key))


def address(target: Model) -> str:
    return reverse(f"admin:billing_{type(target).__name__.lower()}_change", args=[target.pk])


def code(text: str | None) -> str:
    return format_html("<code>{}</code>", text) if text else NOTHING


def joined(parts: Iterable[str]) -> SafeString:
    """Side by side; each is escaped unless it is markup of ours."""
    return format_html_join(" · ", "{}", ((part,) for part in parts))


def outside(url: str) -> str:
    """A link to where others answer; only what a browser opens as a page."""
    return format_html('<a href="{}" rel="noreferrer">{}</a>', url, url) if url.startswith("http") else url


def reason_for(refused: str) -> str:
    """What the person is told too, in the reader's language, and the payment system's own word for it."""
    return f"{explain(refused, 'ru' if in_russian() else 'en').what} ({refused})"


def because(state: str, reason: str | None) -> str:
    """A state with the reason for it beneath."""
    return format_html('{}<span class="why">{}</span>', state, reason_for(reason)) if reason else state
