"""Runs the migrations against BILLING_DATABASE_URL, with patience for locks that is short on purpose."""

from __future__ import annotations

import os
import time

from sqlalchemy import create_engine, pool, text

from alembic import context
from infrastructure.postgres.tables import metadata


def _url() -> str:
    given = context.config.get_main_option("sqlalchemy.url") or os.environ.get("BILLING_DATABASE_URL")
    if not given:
        raise SystemExit("BILLING_DATABASE_URL: the database to migrate, postgresql://…")
    return given.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)


def run() -> None:
    engine = create_engine(_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Two deployments at once migrate one after the other. The second waits as long as the first takes: this lock is
        # the deployments' own, and nobody else queues up behind it. It asks again and again, for an index that is built
        # concurrently waits for every statement that runs, one that waits for this lock included.
        while not connection.execute(text("SELECT pg_try_advisory_lock(7233010)")).scalar_one():
            connection.rollback()
            time.sleep(0.2)
        # A migration that waits for a lock makes everybody behind it wait too: it gives up soon and is run again.
        connection.execute(text("SET lock_timeout = '3s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            compare_server_default=False,
            transaction_per_migration=True,  # else the locks of all of them are held until the last one is through
        )
        with context.begin_transaction():
            context.run_migrations()


run()
