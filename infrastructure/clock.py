"""The two clocks: the system's, and one that local mode and tests hold in Postgres and move by hand."""

from __future__ import annotations

import select
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from psycopg import pq

_PATIENCE_S = 1.0
"""How long one caller waits when the held clock is lost, an event loop with him; a restart may take that long."""
_ANSWER_S = 0.5
_PAUSE_S = 0.05
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READ = b"SELECT extract(epoch FROM now) FROM held_clock"


class SystemClock:
    """The only clock of production."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ClockLostError(ConnectionError):
    """The Postgres that holds the time is away, hangs, or holds none yet."""


class HeldClock:
    """Time that stands still until `billing clock advance` moves it; one row in Postgres holds it for every process.

    Read anew at each call (a tenth of a millisecond on one machine), so no process can lag behind another. Once it is
    lost a thread looks for it. Callers wait for that until it is lost for `patience_s`, after which all of them are
    told at once: most stand on an event loop, where nobody else is served meanwhile.
    """

    def __init__(self, database_url: str, patience_s: float = _PATIENCE_S) -> None:
        self._database_url = database_url
        self._patience_s = patience_s
        self._line: _Line | None = None
        self._search: _Search | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Raises ClockLostError."""
        with self._lock:
            for _ in range(2):  # what was a connection may have been cut while nobody used it
                line = self._line or self._found()
                try:
                    return line.read()
                except (psycopg.Error, LookupError, TimeoutError):
                    line.close()
                    self._line = None
            raise ClockLostError("the held clock cannot be read")

    def move(self, to: datetime) -> None:
        """Set the held time; it never goes back."""
        self._write("UPDATE held_clock SET now = greatest(now, %s)", (to,))

    def start(self) -> datetime:
        """Hold the present if nothing is held yet; what was held before survives a restart."""
        self._write("INSERT INTO held_clock (now) VALUES (now()) ON CONFLICT DO NOTHING")
        return self.now()

    def close(self) -> None:
        if self._search is not None:
            self._search.end()
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = self._search = None

    def _write(self, statement: str, values: tuple[datetime, ...] = ()) -> None:
        with _connected(self._database_url) as connection:
            connection.execute(statement, values)

    def _found(self) -> _Line:
        if self._search is None:
            self._search = _Search(self._database_url)
        line = self._search.result(self._patience_s)
        self._line, self._search = line, None
        return line


class _Line:
    """A connection by which the time is read, within `_ANSWER_S` whatever state Postgres is in.

    A server that hangs breaks no connection and heeds no timeout of its own, so the answer is waited for by hand.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)

    def read(self) -> datetime:
        """Raises psycopg.Error, TimeoutError, or LookupError where no time is held."""
        line, give_up_at = self._connection.pgconn, time.monotonic() + _ANSWER_S
        line.send_query(_READ)
        line.flush()
        answer: pq.abc.PGresult | None = None
        while True:
            while line.is_busy():
                if not self._poll.poll(max(give_up_at - time.monotonic(), 0) * 1000):
                    raise TimeoutError("Postgres does not say what time is held")
                line.consume_input()
            part = line.get_result()
            if part is None:
                break
            answer = part
        value = answer.get_value(0, 0) if answer is not None and answer.ntuples else None
        if value is None:
            raise LookupError("no time is held yet")
        return _EPOCH + timedelta(microseconds=int(Decimal(value.decode()) * 1_000_000))

    def close(self) -> None:
        self._connection.close()


class _Search:
    """Looks for the time until it is there, in a thread of its own: connecting may take seconds each try."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._began_at = time.monotonic()
        self._is_over, self._ended = threading.Event(), threading.Event()
        self._line: _Line | None = None
        threading.Thread(target=self._look, name="held clock", daemon=True).start()

    def result(self, patience_s: float) -> _Line:
        """Waits until the search has lasted for `patience_s`; raises ClockLostError."""
        self._is_over.wait(max(self._began_at + patience_s - time.monotonic(), 0))
        if self._line is None:
            raise ClockLostError("Postgres, which holds the time, is away")
        return self._line

    def end(self) -> None:
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.is_set():
            line = None
            try:
                line = _Line(_connected(self._database_url))
                line.read()
            except (psycopg.Error, LookupError, TimeoutError):
                if line is not None:
                    line.close()
                self._ended.wait(_PAUSE_S)
            else:
                self._line = line
                break
        if self._ended.is_set() and self._line is not None:
            self._line.close()
        self._is_over.set()


def _connected(database_url: str) -> psycopg.Connection:
    """`connect_timeout` holds for each of a name's addresses; 2 s is the least that it can be."""
    return psycopg.connect(database_url, autocommit=True, connect_timeout=2, options="-c statement_timeout=2s")
