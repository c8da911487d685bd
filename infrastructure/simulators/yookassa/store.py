"""The books on disk: one SQLite file that outlives a killed process.

Everything runs on one event loop and each change is one transaction, so nobody ever sees half of it.
`synchronous=OFF` leaves what the system has not written out to the mercy of a power cut, not of kill -9.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from infrastructure.simulators.yookassa.instants import identifier
from infrastructure.simulators.yookassa.records import Method, Notification, Payment, Record, Refund

_SHELF = """
CREATE TABLE IF NOT EXISTS {name} (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL, captured_ms INTEGER,
    status TEXT NOT NULL, due_ms INTEGER, parent TEXT, our_id TEXT, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS {name}_created ON {name} (created_ms, seq);
CREATE INDEX IF NOT EXISTS {name}_due ON {name} (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS {name}_parent ON {name} (parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS {name}_our_id ON {name} (our_id) WHERE our_id IS NOT NULL;
"""

_REST = """
CREATE TABLE IF NOT EXISTS sequence (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO sequence VALUES (1, 0);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, created_ms INTEGER NOT NULL, object_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, used_by TEXT, card TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    operation TEXT, outcome TEXT, count INTEGER NOT NULL, PRIMARY KEY (operation, outcome)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notifications (
    seq INTEGER PRIMARY KEY, status TEXT NOT NULL, next_try REAL NOT NULL, not_before_ms INTEGER,
    object_id TEXT NOT NULL, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notifications_pending ON notifications (seq) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS notifications_held ON notifications (seq) WHERE status = 'held';
CREATE INDEX IF NOT EXISTS notifications_object ON notifications (object_id);
"""

R = TypeVar("R", Payment, Refund, Method)


class Shelf(Generic[R]):
    """All records of one kind."""

    def __init__(self, connection: sqlite3.Connection, name: str, kind: Callable[..., R]) -> None:
        connection.executescript(_SHELF.format(name=name))
        self._connection = connection
        self._kind: Callable[..., R] = kind
        self._put = f"INSERT OR REPLACE INTO {name} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 # as below
        self._select = f"SELECT doc FROM {name}"  # noqa: S608 # names are this module's own
        self._delete = f"DELETE FROM {name} WHERE id = ?"  # noqa: S608 # as above

    def put(self, record: R) -> None:
        captured = getattr(record, "captured_ms", None)
        doc = json.dumps(vars(record), ensure_ascii=False, separators=(",", ":"))
        head: tuple[object, ...] = (record.seq, record.id, record.created_ms, captured, record.status, record.due_ms)
        self._connection.execute(self._put, (*head, record.parent, record.our_id, doc))

    def get(self, record_id: str) -> R | None:
        return next(self.where("id = ?", record_id), None)

    def where(self, condition: str, *values: object) -> Iterator[R]:
        """Records that meet an SQL condition; `condition` may end in ORDER BY and LIMIT."""
        rows = self._connection.execute(f"{self._select} WHERE {condition}", values)
        return (self._kind(**json.loads(row[0])) for row in rows.fetchall())

    def delete(self, record_id: str) -> bool:
        return self._connection.execute(self._delete, (record_id,)).rowcount > 0


class Store:
    def __init__(self, data_dir: Path | None) -> None:
        """`data_dir` None keeps the books in memory."""
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        path = ":memory:" if data_dir is None else str(data_dir / "yookassa.sqlite3")
        # One loop uses it, though not always the thread that opened it.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_REST)
        self.payments = Shelf(self._connection, "payments", Payment)
        self.refunds = Shelf(self._connection, "refunds", Refund)
        self.methods = Shelf(self._connection, "methods", Method)
        self._depth = 0
        self.after_rollback: Callable[[], None] = lambda: None

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction; a nested one is part of the outer."""
        if self._depth:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            self.after_rollback()
            raise
        else:
            self._connection.execute("COMMIT")
        finally:
            self._depth = 0

    def close(self) -> None:
        self._connection.close()

    def new_id(self, now_ms: int) -> tuple[str, int]:
        """The next identifier and its number."""
        row = self._connection.execute("UPDATE sequence SET last = last + 1 RETURNING last").fetchone()
        return identifier(now_ms, row[0]), row[0]

    def find(self, object_id: str) -> Record | None:
        return self.payments.get(object_id) or self.refunds.get(object_id) or self.methods.get(object_id)

    def next_due_ms(self) -> int | None:
        """When the first record is due for something."""
        parts = " UNION ALL ".join(
            f"SELECT min(due_ms) AS due FROM {name} WHERE due_ms IS NOT NULL"  # noqa: S608 # names are this module's
            for name in ("payments", "refunds", "methods")
        )
        row = self._connection.execute(f"SELECT min(due) FROM ({parts})").fetchone()  # noqa: S608 # as above
        due: int | None = row[0]
        return due

    # --- idempotency keys ----------------------------------------------------------------------
    def key(self, key: str, since_ms: int) -> tuple[str, str] | None:
        """(fingerprint, object id) of a key used after that time."""
        query = "SELECT fingerprint, object_id FROM keys WHERE key = ? AND created_ms > ?"
        row: tuple[str, str] | None = self._connection.execute(query, (key, since_ms)).fetchone()
        return row

    def put_key(self, key: str, fingerprint: str, now_ms: int, object_id: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", (key, fingerprint, now_ms, object_id)
        )

    # --- tokens --------------------------------------------------------------------------------
    def put_token(self, token: str, card: str) -> None:
        self._connection.execute("INSERT INTO tokens VALUES (?, NULL, ?)", (token, card))

    def token(self, token: str) -> tuple[str | None, str] | None:
        """(the payment that used it, its card as JSON)."""
        query = "SELECT used_by, card FROM tokens WHERE token = ?"
        row: tuple[str | None, str] | None = self._connection.execute(query, (token,)).fetchone()
        return row

    def use_token(self, token: str, payment_id: str) -> None:
        self._connection.execute("UPDATE tokens SET used_by = ? WHERE token = ?", (payment_id, token))

    # --- counts of calls -----------------------------------------------------------------------
    def count_call(self, operation: str, outcome: str) -> None:
        query = "INSERT INTO calls VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
        self._connection.execute(query, (operation, outcome))

    def calls(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for operation, outcome, count in self._connection.execute("SELECT * FROM calls"):
            counts.setdefault(operation, {})[outcome] = count
        return counts

    # --- faults --------------------------------------------------------------------------------
    def faults(self) -> list[tuple[int, dict[str, Any]]]:
        rows = self._connection.execute("SELECT id, doc FROM faults ORDER BY id").fetchall()
        return [(row[0], json.loads(row[1])) for row in rows]

    def add_fault(self, doc: dict[str, Any]) -> int:
        cursor = self._connection.execute("INSERT INTO faults (doc) VALUES (?)", (json.dumps(doc),))
        return cursor.lastrowid or 0

    def put_fault(self, fault_id: int, doc: dict[str, Any]) -> None:
        self._connection.execute("UPDATE faults SET doc = ? WHERE id = ?", (json.dumps(doc), fault_id))

    def delete_faults(self, fault_id: int | None = None) -> None:
        self._connection.execute("DELETE FROM faults WHERE ?1 IS NULL OR id = ?1", (fault_id,))

    # --- notifications -------------------------------------------------------------------------
    def put_notification(self, note: Notification) -> None:
        """`seq` 0 gets the next number."""
        doc = {name: value for name, value in vars(note).items() if name != "seq"}
        text = json.dumps(doc, ensure_ascii=False, separators=(",", ":"))
        row = (note.seq or None, note.status, note.next_try, note.not_before_ms, note.object_id, text)
        cursor = self._connection.execute("INSERT OR REPLACE INTO notifications VALUES (?, ?, ?, ?, ?, ?)", row)
        note.seq = note.seq or cursor.lastrowid or 0

    def notifications(self, condition: str, *values: object) -> list[Notification]:
        query = f"SELECT seq, doc FROM notifications WHERE {condition}"  # noqa: S608 # conditions are the package's
        rows = self._connection.execute(query, values).fetchall()
        return [Notification(seq=row[0], **json.loads(row[1])) for row in rows]

    def due_notifications(self, now_ms: int) -> list[int]:
        """Numbers of all that are undelivered and not late on purpose."""
        query = (
            "SELECT seq FROM notifications WHERE status = 'pending' AND (not_before_ms IS NULL OR not_before_ms <= ?)"
        )
        return [row[0] for row in self._connection.execute(f"{query} ORDER BY seq", (now_ms,))]

    def next_held_back_ms(self) -> int | None:
        """When, by the service's clock, the first notification that is late on purpose goes out."""
        row = self._connection.execute(
            "SELECT min(not_before_ms) FROM notifications WHERE status = 'pending' AND not_before_ms IS NOT NULL"
        ).fetchone()
        found: int | None = row[0]
        return found
