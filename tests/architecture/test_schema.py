"""The schema: made by its migrations alone, undone by them, and careful with a database at work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest

from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.throwaway import throwaway_postgres
from infrastructure.postgres.tables import metadata
from tests.architecture.checkout import CHECKOUT

_numbers = count()


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with throwaway_postgres() as server:
        yield server


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> str:
    """The address of an empty database."""
    return postgres.create_database(f"schema_{next(_numbers)}")


@pytest.fixture(scope="module")
def migrated(postgres: EmbeddedPostgres) -> str:
    url = postgres.create_database("migrated")
    assert ended(start(url, "upgrade", "head")) == (0, "")
    return url


def start(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "alembic", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "BILLING_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, told = process.communicate(timeout=60)
    return process.returncode, told if process.returncode else ""


def ask(url: str, query: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute(query.encode())]


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
FUNCTIONS = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
TYPES = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd') ORDER BY 1"


def test_the_migrations_make_what_the_code_expects(migrated: str) -> None:
    assert ended(start(migrated, "check")) == (0, "")
    assert ask(migrated, TABLES) == sorted(metadata.tables)


def test_they_go_up_from_nothing_down_to_nothing_and_up_again(empty: str) -> None:
    assert ended(start(empty, "upgrade", "head")) == (0, "")
    made = ask(empty, FUNCTIONS)
    assert ended(start(empty, "downgrade", "base")) == (0, "")
    assert ask(empty, TABLES) + ask(empty, FUNCTIONS) + ask(empty, TYPES) == []
    assert ended(start(empty, "upgrade", "head")) == (0, "")
    assert ask(empty, FUNCTIONS) == made


def test_two_deployments_at_once_migrate_one_after_the_other(empty: str) -> None:
    both = [start(empty, "upgrade", "head") for _ in range(2)]
    assert [ended(one) for one in both] == [(0, ""), (0, "")]


def test_a_migration_does_not_queue_up_behind_a_long_transaction(empty: str) -> None:
    """It would make everybody behind it wait too; it gives up, has changed nothing, and can be run again."""
    assert ended(start(empty, "upgrade", "head")) == (0, "")
    with psycopg.connect(empty) as busy:
        busy.execute("LOCK TABLE payments IN ACCESS SHARE MODE")  # which the newest of them changes
        status, told = ended(start(empty, "downgrade", "base"))
    assert status != 0
    assert "lock timeout" in told
    assert ask(empty, TABLES) == sorted(metadata.tables)


KILL_AT = """
    CREATE SCHEMA fault;
    CREATE FUNCTION fault.kill() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF position(current_setting('fault.kill_at', true) IN current_query()) > 0 THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
    END $$;
    CREATE EVENT TRIGGER kill ON ddl_command_start EXECUTE FUNCTION fault.kill()
"""
HALF_WAY = (
    "CREATE INDEX CONCURRENTLY ix_inbox_waiting_new",
    "ALTER INDEX ix_inbox_waiting_new",
    "VALIDATE CONSTRAINT ck_payments_asked_while_open",
    "VALIDATE CONSTRAINT ck_refunds_asked_while_open",
    "VALIDATE CONSTRAINT ck_payments_credit",
    "CREATE INDEX CONCURRENTLY ix_subscriptions_next_plan",
    "CREATE UNIQUE INDEX CONCURRENTLY uq_subscriptions_one_trial",
    "VALIDATE CONSTRAINT fk_payments_card_id_cards",
    "CREATE INDEX CONCURRENTLY ix_payments_card",
    "CREATE INDEX CONCURRENTLY ix_users_email",
    "VALIDATE CONSTRAINT ck_payments_refunds_new",
    "DROP CONSTRAINT ck_payments_refunds",
)
"""Statements that follow after a part of a migration was committed, in the order in which they come."""
SCHEMA = """
    SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) || indisvalid FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'column ' || concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'comment ' || oid::regclass || ' ' || obj_description(oid) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND obj_description(oid) IS NOT NULL
    ORDER BY 1
"""


def test_a_migration_that_was_killed_half_way_is_simply_run_again(empty: str, migrated: str) -> None:
    with psycopg.connect(empty, autocommit=True) as database:
        database.execute(KILL_AT.encode())
    for statement in HALF_WAY:
        with psycopg.connect(empty, autocommit=True) as database:
            database.execute(f"ALTER DATABASE {database.info.dbname} SET fault.kill_at = '{statement}'".encode())
        status, told = ended(start(empty, "upgrade", "head"))
        assert status != 0, statement
        assert statement in told
        assert "terminating connection" in told
    with psycopg.connect(empty, autocommit=True) as database:
        database.execute(b"DROP EVENT TRIGGER kill")
        database.execute(b"DROP SCHEMA fault CASCADE")

    assert ended(start(empty, "upgrade", "head")) == (0, "")

    assert ask(empty, SCHEMA) == ask(migrated, SCHEMA)
    assert ended(start(empty, "check")) == (0, "")


def test_an_index_that_a_long_reader_kept_from_becoming_valid_is_made_anew(empty: str, migrated: str) -> None:
    for revision, before in (
        ("strangers", "key_lapsed"),
        ("plan_changes", "asked_while_open"),
        ("cards", "plan_changes"),
        ("persons_by_address", "cards"),
    ):
        assert ended(start(empty, "upgrade", before)) == (0, "")
        with psycopg.connect(empty) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT FROM plans")
            status, told = ended(start(empty, "upgrade", revision))
        assert status != 0
        assert "lock timeout" in told
        assert len(ask(empty, "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")) == 1

        assert ended(start(empty, "upgrade", revision)) == (0, "")

    assert ended(start(empty, "upgrade", "head")) == (0, "")
    assert ask(empty, SCHEMA) == ask(migrated, SCHEMA)


def test_there_is_one_line_of_migrations(migrated: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "heads"],
        cwd=CHECKOUT,
        env={**os.environ, "BILLING_DATABASE_URL": migrated},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split("\n")) == 2


def test_every_table_says_what_it_is_for(migrated: str) -> None:
    silent = """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'alembic_version'
        AND coalesce(length(obj_description(oid)), 0) < 30
    """
    assert ask(migrated, silent) == []


def test_history_has_no_foreign_keys(migrated: str) -> None:
    """NFR-2."""
    keys = """
        SELECT conname FROM pg_constraint
        WHERE contype = 'f' AND ARRAY[conrelid, confrelid] && ARRAY['events'::regclass, 'outbox'::regclass]::oid[]
    """
    assert ask(migrated, keys) == []


def test_every_foreign_key_can_be_followed_back_by_an_index(migrated: str) -> None:
    """Else the check of a deleted row reads the whole table."""
    bare = """
        SELECT conrelid::regclass || '.' || attname FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND NOT EXISTS (
            SELECT 1 FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1]
        ) ORDER BY 1
    """
    assert ask(migrated, bare) == []
