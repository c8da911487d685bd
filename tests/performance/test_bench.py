"""The bench itself: a floor is of the same work, and each run of a replay has values of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from infrastructure.local.throwaway import throwaway_postgres
from tests.performance.figures import Figure, of_floor
from tests.performance.place import Place
from tests.performance.reads import active_function
from tests.performance.replay import Heard, Script, Statement

_CLIENTS, _OBJECTS = 8, 80


def _sale(known: int, made: UUID, key: str) -> list[Statement]:
    at = datetime(2027, 1, 31, 12, 30, tzinfo=UTC)
    return [
        ("BEGIN", ()),
        (
            "INSERT INTO sales VALUES ($1::UUID, $2::UUID, $3::VARCHAR, $4::TIMESTAMPTZ)",
            (made, UUID(int=known), key, at),
        ),
        ("UPDATE sales SET sold_at = now() WHERE id = $1::UUID", (made,)),
        ("COMMIT", ()),
    ]


def test_each_run_of_a_replay_has_values_of_its_own(tmp_path: Path) -> None:
    one = _sale(1, UUID("019c0000-0000-7000-8000-000000000001"), "key-of-one")
    other = _sale(2, UUID("019c0000-0000-7000-8000-000000000002"), "key-of-two")
    table = "CREATE TABLE sales (id uuid PRIMARY KEY, buyer uuid UNIQUE, key text UNIQUE, sold_at timestamptz)"
    with throwaway_postgres() as postgres, psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(table)

        speed = Script.of(one, other, _OBJECTS).run(postgres.url, tmp_path, clients=_CLIENTS, transactions=10)

        found = connection.execute(
            "SELECT count(*), count(sold_at), min(buyer::text), max(buyer::text) FROM sales"
        ).fetchone()
    assert speed > 0
    assert found == (80, 80, str(UUID(int=1)), str(UUID(int=80))), "each of the known objects once"


def test_two_runs_that_sent_different_statements_are_no_floor() -> None:
    sale = _sale(1, UUID(int=10**12), "key")
    with pytest.raises(ValueError, match="the same statements"):
        Script.of(sale, sale[:-1], _OBJECTS)


def test_a_transaction_is_one_commit_and_so_is_a_change_outside_of_one() -> None:
    change: Statement = ("UPDATE sales SET sold_at = now()", ())
    assert Heard([*_sale(1, UUID(int=2), "key"), change, ("SELECT 1", ())]).commits == 2


def test_a_floor_that_is_missed_is_called_so() -> None:
    assert of_floor([30.0, 35.0, 45.0], [100.0, 50.0, 50.0], 0.7).met
    assert not of_floor([30.0, 34.0, 45.0], [100.0, 50.0, 50.0], 0.7).met
    assert str(Figure((12345.6, 9.876, 100.4), "/s")) == "100/s (9.88–12 346)"


def test_a_row_is_taken_beside_its_floor() -> None:
    with Place(seconds=0.1, repetitions=1) as place:
        result = active_function(place)

    assert result.floor is not None
    assert result.floor.middle > 0
    assert result.ours.middle > 0
    assert result.targets[0].met, "one round trip"


def test_a_row_that_is_not_there_is_named() -> None:
    said = CliRunner().invoke(app, ["bench", "newest-pages"])
    assert said.exit_code == 2
    assert "no such row: newest-pages; there are newest-page, " in said.output
