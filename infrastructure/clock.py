"""The two clocks: the system's, and one that local mode and tests hold in Postgres and move by hand."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import psycopg
from psycopg import errors

_PATIENCE_S = 15.0
"""How long the held clock waits for a Postgres that starts, restarts or migrates."""


class SystemClock:
    """The only clock of production."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class HeldClock:
    """Time that stands still until `billing clock advance` moves it; one row in Postgres holds it for every process.

    Read anew at each call (a tenth of a millisecond on one machine), so no process can lag behind another.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            give_up_at = time.monotonic() + _PATIENCE_S
            while True:
                try:
                    return self._read()
                except (psycopg.OperationalError, errors.UndefinedTable, LookupError):
                    self._forget_connection()
                    if time.monotonic() > give_up_at:
                        raise
                    time.sleep(0.05)

    def move(self, to: datetime) -> None:
        """Set the held time; it never goes back."""
        with self._lock:
            connection = self._connected()
            connection.execute("UPDATE held_clock SET now = greatest(now, %s)", (to,))

    def start(self) -> datetime:
        """Hold the present if nothing is held yet; what was held before survives a restart."""
        with self._lock:
            self._connected().execute("INSERT INTO held_clock (now) VALUES (now()) ON CONFLICT DO NOTHING")
        return self.now()

    def close(self) -> None:
        with self._lock:
            self._forget_connection()

    def _read(self) -> datetime:
        row = self._connected().execute("SELECT now FROM held_clock").fetchone()
        if row is None:
            raise LookupError("no time is held yet")
        now: datetime = row[0]
        return now.astimezone(UTC)

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._database_url, autocommit=True, connect_timeout=2)
            self._connection.execute("SET statement_timeout = '2s'")
        return self._connection

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
