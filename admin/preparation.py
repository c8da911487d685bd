"""Before the panel starts: Django's tables in a schema of their own, the roles, and locally a first administrator."""

from __future__ import annotations

from typing import Final

import structlog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

FIRST: Final = "admin"
ADMINISTRATORS: Final = "Administrators"
SUPPORT: Final = "Support"

_log = structlog.get_logger(__name__)
_LOCK: Final = 7233011
"""Beside alembic's: two deployments at once prepare one after the other."""


def prepare(first_password: str | None) -> None:
    """May be run at every start."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        cursor.execute("CREATE SCHEMA IF NOT EXISTS django")
    call_command("migrate", interactive=False, verbosity=0)
    with transaction.atomic():
        _make_roles()
        _name_nobody()
        if first_password is not None:
            _make_first(first_password)
    connection.close()
    _log.info("panel_prepared")


def _make_roles() -> None:
    """Support sees everything; administrators also act. Who they are is decided in the panel, by a superuser."""
    ours = Permission.objects.filter(content_type__app_label="billing")
    support, _ = Group.objects.get_or_create(name=SUPPORT)
    support.permissions.set(ours.filter(codename__startswith="view_"))
    administrators, _ = Group.objects.get_or_create(name=ADMINISTRATORS)
    administrators.permissions.set(ours)


def _name_nobody() -> None:
    """Earlier versions wrote e-mail addresses and names into the log, where erasing a person does not look."""
    of_people = LogEntry.objects.filter(content_type__app_label="billing", content_type__model="person")
    of_people.exclude(object_repr=F("object_id")).update(object_repr=F("object_id"))


def _make_first(password: str) -> None:
    if not User.objects.filter(username=FIRST).exists():
        User.objects.create_superuser(FIRST, password=password)
