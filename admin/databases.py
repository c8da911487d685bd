"""Two ways into one database: Django's own tables are written, the billing tables only ever read."""

from __future__ import annotations

from typing import Any

from django.db import models
from psycopg.conninfo import conninfo_to_dict

OWN = "default"
BILLING = "billing"

_PATIENCE_MS = 5000
"""A list that takes longer is too broad: it must not slow down those who pay."""


def own_tables(url: str) -> dict[str, Any]:
    """Accounts, sessions and the log of administrators, in a schema of their own that alembic never sees."""
    return _connection(url, "-c search_path=django,public")


def billing_tables(url: str) -> dict[str, Any]:
    """Postgres itself refuses to write through this one."""
    refusing = f"-c default_transaction_read_only=on -c statement_timeout={_PATIENCE_MS}"
    return _connection(url, f"-c search_path=public {refusing}")


def _connection(url: str, options: str) -> dict[str, Any]:
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {django: parts.pop(libpq, "") for django, libpq in named.items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **found,
        "OPTIONS": {"connect_timeout": "5", "application_name": "admin", **parts, "options": options},
    }


class ByTable:
    """Sends each model to its connection."""

    def db_for_read(self, model: type[models.Model], **_: Any) -> str:
        return BILLING if model.__module__ == "admin.models" else OWN

    def db_for_write(self, model: type[models.Model], **_: Any) -> str:
        return self.db_for_read(model)

    def allow_relation(self, one: models.Model, other: models.Model, **_: Any) -> bool:
        return self.db_for_read(type(one)) == self.db_for_read(type(other))

    def allow_migrate(self, db: str, _app_label: str, **_: Any) -> bool:
        """Django makes its own tables only; alembic is the one owner of the others."""
        return db == OWN
