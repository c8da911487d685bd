"""Money and dates as people write them, in Russian and in English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DEFAULT_ZONE: Final = "Europe/Moscow"

_NO_BREAK = "\u00a0"
_MINUS = "\u2212"
_MONTHS: Final = {
    "ru": (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip


def money(value: object, currency: object, locale: str) -> str | None:
    """`"499.00"` → `499,00 ₽` or `499.00 RUB`; also `{"value": …, "currency": …}`. None for what is no amount."""
    amount = value
    if isinstance(value, Mapping):
        amount, currency = value.get("value"), value.get("currency")
    if not isinstance(amount, str):
        return None
    whole, _, cents = amount.partition(".")
    if not (whole.isascii() and whole.isdigit() and cents.isascii() and cents.isdigit() and len(cents) == 2):
        return None
    code = currency if isinstance(currency, str) and currency else "RUB"
    # Thousands are set apart from five digits on, as both languages allow.
    grouped = f"{int(whole):,}" if len(whole) > 4 else whole
    if locale == "ru":
        return f"{grouped.replace(',', _NO_BREAK)},{cents} {'₽' if code == 'RUB' else code}"
    return f"{grouped}.{cents} {code}"


def moment(value: object, zone: str, locale: str) -> str | None:
    """RFC 3339 or an aware datetime → `31 января 2027 г., 12:00 (МСК)`. None for what is no moment."""
    local = _local(value, zone)
    return None if local is None else f"{_date(local, locale)}, {local:%H:%M} ({_zone_name(local, locale)})"


def day(value: object, zone: str, locale: str) -> str | None:
    """As `moment`, without the time of day."""
    local = _local(value, zone)
    return None if local is None else _date(local, locale)


def _local(value: object, zone: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return at.astimezone(_zone(zone)) if isinstance(at, datetime) and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _date(local: datetime, locale: str) -> str:
    month = _MONTHS[locale][local.month - 1]
    return f"{local.day} {month} {local.year} г." if locale == "ru" else f"{local.day} {month} {local.year}"


def _zone_name(local: datetime, locale: str) -> str:
    offset = local.utcoffset() or timedelta()
    if isinstance(local.tzinfo, ZoneInfo) and local.tzinfo.key == DEFAULT_ZONE and offset == timedelta(hours=3):
        return "МСК" if locale == "ru" else "MSK"
    minutes = int(offset.total_seconds() // 60)
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else _MINUS
    return f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ZoneInfo(DEFAULT_ZONE)
