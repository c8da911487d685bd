"""The service's present, which a time machine may hold (docs/decisions/0007)."""

from __future__ import annotations

from datetime import datetime

from django.db import connections

from admin.databases import BILLING

_NOW = "SELECT coalesce((SELECT now FROM held_clock), clock_timestamp())"


def present() -> datetime:
    with connections[BILLING].cursor() as cursor:
        cursor.execute(_NOW)
        now: datetime = cursor.fetchone()[0]
    return now
