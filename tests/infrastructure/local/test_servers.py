"""The embedded servers: real ones, started as the tests and the local stack start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from infrastructure.local.account import reachable_folder, server_account, stand_in_for
from infrastructure.local.checkout import CACHE, CHECKOUT
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.elasticsearch_home import NoElasticsearchError
from infrastructure.local.leash import Leash
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.server import DidNotStartError
from infrastructure.local.throwaway import throwaway_postgres, throwaway_valkey
from tests.infrastructure.local.processes import descendants, still_running


@pytest.fixture
def leash() -> Iterator[Leash]:
    with Leash() as held:
        yield held


def _postgres(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "data", folder / "postgres.log", durable=False)


def test_postgres_knows_russian_letters_and_utc() -> None:
    with throwaway_postgres() as postgres, psycopg.connect(postgres.url) as connection:
        row = connection.execute("SELECT upper('ё'), 'Ёж' ILIKE 'ёЖ', current_setting('TimeZone')").fetchone()
        assert row == ("Ё", True, "UTC")


def test_a_database_is_made_from_a_template_and_removed() -> None:
    with throwaway_postgres() as postgres:
        with psycopg.connect(postgres.create_database("pattern"), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT 7 AS seven")
        with psycopg.connect(postgres.create_database("copy", template="pattern")) as connection:
            assert connection.execute("SELECT seven FROM t").fetchone() == (7,)
        postgres.drop_database("copy")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(postgres.url_of("copy"))


def test_postgres_keeps_its_data_over_a_kill(folder: Path, leash: Leash) -> None:
    first = _postgres(folder)
    first.start(leash)
    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS one")
    assert first.process is not None
    family = descendants(first.process.pid)
    first.process.kill()
    assert still_running(family) == []
    assert (folder / "data" / "postmaster.pid").exists()

    again = _postgres(folder)
    again.start(leash)

    with psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT one FROM t").fetchone() == (1,)


def test_a_pid_file_that_now_names_somebody_else_is_no_hindrance(folder: Path, leash: Leash) -> None:
    first = _postgres(folder)
    first.start(leash)
    first.stop(leash)
    account = server_account()
    with subprocess.Popen(["sleep", "60"], user=account.uid if account else None) as somebody_else:  # noqa: S607 - the system's own
        pid_file = folder / "data" / "postmaster.pid"
        pid_file.write_text(f"{somebody_else.pid}\n{folder / 'data'}\n1\n1\n\n127.0.0.1\n\nready\n")

        _postgres(folder).start(leash)

        assert somebody_else.poll() is None, "it was not ours to end"
        somebody_else.kill()


def test_a_server_left_on_the_data_folder_is_ended_first(folder: Path, leash: Leash) -> None:
    left = _postgres(folder)
    left.start(leash)
    assert left.process is not None

    again = _postgres(folder)
    again.start(leash)

    assert left.process.poll() == 0, "it was asked to end, not killed"
    assert again.is_ready()


def test_a_data_folder_that_was_half_made_is_made_anew(folder: Path, leash: Leash) -> None:
    (folder / "data.123.new").mkdir()
    (folder / "data.123.new" / "PG_VERSION").write_text("18\n")

    _postgres(folder).start(leash)

    assert not (folder / "data.123.new").exists()


def test_another_major_version_is_refused_in_plain_words(folder: Path, leash: Leash) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("12\n")

    with pytest.raises(DidNotStartError, match=r"made by PostgreSQL 12, the binaries are 18"):
        _postgres(folder).start(leash)


def test_valkey_answers_and_keeps_nothing() -> None:
    with throwaway_valkey() as valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.ping()
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


@pytest.mark.elasticsearch
def test_elasticsearch_stems_russian_and_keeps_its_data(folder: Path, leash: Leash) -> None:
    from elasticsearch import Elasticsearch  # noqa: PLC0415 - takes half a second, for this test only

    def node() -> EmbeddedElasticsearch:
        return EmbeddedElasticsearch(folder / "node", folder / "elasticsearch.log", cache=CACHE, heap_mb=256)

    first = node()
    try:
        first.start(leash)
    except NoElasticsearchError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with Elasticsearch(first.url) as client:
        text = {"type": "text", "analyzer": "russian"}
        client.indices.create(
            index="films", mappings={"properties": {"title": text}}, settings={"number_of_replicas": 0}
        )
        client.index(index="films", id="1", document={"title": "подписка на кино"}, refresh=True)
    first.stop(leash)

    again = node()
    again.start(leash)

    with Elasticsearch(again.url) as client:
        assert client.search(index="films", query={"match": {"title": "подписки"}})["hits"]["total"]["value"] == 1


def test_processes_are_started_from_the_main_thread_only(folder: Path, leash: Leash) -> None:
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            leash.start(["true"], log=folder / "log")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


_TEST_SESSION = """
import sys, time
from infrastructure.local.throwaway import throwaway_postgres, throwaway_valkey
with throwaway_postgres() as postgres, throwaway_valkey():
    print(postgres.data_dir, flush=True)
    time.sleep(600)
"""


def test_a_killed_test_session_leaves_neither_servers_nor_files() -> None:
    with subprocess.Popen(  # noqa: S603 - our own lines
        [sys.executable, "-c", _TEST_SESSION], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        data = Path(session.stdout.readline().strip())
        family = descendants(session.pid)
        assert len(family) > 4
        assert data.exists()

        session.send_signal(signal.SIGKILL)

    assert still_running(family) == []
    assert not data.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run servers under another account")
def test_where_the_servers_account_cannot_go_their_data_lie_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    wanted = tmp_path / "home"

    elsewhere = reachable_folder(wanted, server_account())

    try:
        assert elsewhere == stand_in_for(wanted)
        assert reachable_folder(wanted, server_account()) == elsewhere, "the next start finds it again"
        assert str(elsewhere) in (wanted / "data-elsewhere.txt").read_text()
        elsewhere.chmod(0o777)
        with pytest.raises(PermissionError, match=str(elsewhere)):
            reachable_folder(wanted, server_account())
    finally:
        elsewhere.rmdir()
