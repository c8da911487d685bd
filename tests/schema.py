"""The whole schema, brought into a database of a test, a simulated world or the bench."""

from __future__ import annotations

from alembic.config import Config

from alembic import command
from infrastructure.local.checkout import CHECKOUT


def make_schema(database_url: str) -> None:
    """Run every migration; `database_url`: `postgresql://…`, of a database that is empty or behind."""
    config = Config(CHECKOUT / "alembic.ini")
    config.set_main_option("script_location", str(CHECKOUT / "alembic"))
    config.set_main_option("sqlalchemy.url", database_url)
    command.upgrade(config, "head")
