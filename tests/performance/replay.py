"""What a command sends to Postgres, written down and sent again by pgbench: the floor of what changes something."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from psycopg import sql
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.local.postgres import packaged_binaries

Statement = tuple[str, Sequence[Any]]
"""SQL with $1, $2, …, and what stands for them."""

_UUID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_PLACEHOLDER = re.compile(r"\$(\d+)")
_QUOTED = re.compile(r"(?<![\w'])(E?)'((?:[^']|'')*)'")
_TPS = re.compile(r"tps = ([\d.]+)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")


@dataclass(slots=True)
class Heard:
    """In the order of their sending; statements outside a transaction stand for themselves."""

    statements: list[Statement] = field(default_factory=list)

    @property
    def commits(self) -> int:
        inside, commits = False, 0
        for text, _ in self.statements:
            if text in ("BEGIN", "COMMIT", "ROLLBACK"):
                inside = text == "BEGIN"
                commits += text == "COMMIT"
            elif not inside:
                commits += not text.lstrip().upper().startswith("SELECT")
        return commits


@contextmanager
def listening(engine: AsyncEngine) -> Iterator[Heard]:
    """What goes through this engine meanwhile."""
    heard, sync = Heard(), engine.sync_engine

    def statement(_c: Any, _cursor: Any, text: str, given: Any, _context: Any, many: bool) -> None:
        for one in given if many else [given]:
            heard.statements.append((text, tuple(one)))

    def word(said: str) -> Callable[[Any], None]:
        return lambda _connection: heard.statements.append((said, ()))

    hooks: list[tuple[str, Callable[..., None]]] = [("before_cursor_execute", statement)]
    hooks += [(name, word(name.upper())) for name in ("begin", "commit", "rollback")]
    for name, hook in hooks:
        event.listen(sync, name, hook)
    try:
        yield heard
    finally:
        for name, hook in hooks:
            event.remove(sync, name, hook)


@dataclass(frozen=True, slots=True)
class Script:
    """For pgbench. Its n-th run stands for the n-th object; `known` UUIDs below `block` × objects are theirs."""

    text: str

    @classmethod
    def of(cls, one: Sequence[Statement], other: Sequence[Statement], objects: int) -> Script:
        """Of two runs of the same command: where they differ, each run of the script differs too.

        Known objects have the UUIDs n, n + objects, n + 2 × objects, …; all others were made by the run.
        """
        if [text for text, _ in one] != [text for text, _ in other]:
            raise ValueError("the two runs did not send the same statements")
        made: dict[object, int] = {}
        lines = [r"\set i :i + 1", rf"\set n :client_id * {objects // 8} + :i", r"\set fresh 1000000000 + :n * 1000"]
        for (text, given), (_, beside) in zip(one, other, strict=True):
            shown = [_written(a, b, made, objects) for a, b in zip(given, beside, strict=True)]
            said = " ".join(_PLACEHOLDER.sub(lambda found: shown[int(found.group(1)) - 1], text).split())  # noqa: B023 - used at once
            lines.append(said + ";")
        return cls("\n".join(lines) + "\n")

    def run(self, database_url: str, folder: Path, *, clients: int, transactions: int) -> float:
        """Runs a second. Raises RuntimeError where one of them failed."""
        to = urlsplit(database_url)
        script = folder / "replay.sql"
        script.write_text(self.text)
        command = [
            *(packaged_binaries() / "pgbench", "-n", "-M", "prepared", "-D", "i=0", "-f", script),
            *("-c", clients, "-j", min(clients, 2), "-t", transactions, "-h", to.hostname, "-p", to.port),
            *("-U", to.username, to.path[1:]),
        ]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)  # noqa: S603 - our own server's
        speed, failed = _TPS.search(done.stdout), _FAILED.search(done.stdout)
        if done.returncode or speed is None or (failed and int(failed.group(1))):
            raise RuntimeError(f"pgbench: {done.stderr[-1500:] or done.stdout[-1500:]}")
        return float(speed.group(1))


def _written(one: Any, other: Any, made: dict[object, int], objects: int) -> str:
    """A literal; or, where two runs differ, what makes each run's own."""
    if one != other:
        if isinstance(one, UUID):
            if one.int <= 100 * objects:
                offset = (one.int - 1) // objects * objects
                return f"lpad(to_hex(:n::bigint + {offset}), 32, '0')::uuid"
            return f"lpad(to_hex(:fresh::bigint + {made.setdefault(one, len(made))}), 32, '0')::uuid"
        if isinstance(one, list) and all(isinstance(each, UUID) for each in one) and len(one) == len(other):
            return "ARRAY[" + ", ".join(_written(a, b, made, objects) for a, b in zip(one, other, strict=True)) + "]"
        if isinstance(one, str) and one.startswith("["):
            return _written_json(one, str(other), made, objects)
        if isinstance(one, str) and len(one) <= 64 and not one.startswith("{"):
            return f"lpad(to_hex(:fresh::bigint + {made.setdefault(one, len(made))}), {min(len(one), 32)}, '0')"
    text = sql.Literal(one).as_string(None)
    return _QUOTED.sub(_without_colons, text)


def _written_json(one: str, other: str, made: dict[object, int], objects: int) -> str:
    """With the UUIDs in it that are each run's own; instants and the like are those of the first."""
    parts, beside = _UUID.split(one), _UUID.split(other)
    if len(parts) != len(beside):
        raise ValueError("the two runs did not write the same things down")
    shown = [
        f"({_written(UUID(a), UUID(b), made, objects)})::text" if _UUID.fullmatch(a) else _written(a, a, made, objects)
        for a, b in zip(parts, beside, strict=True)
    ]
    return "(" + " || ".join(shown) + ")"


def _without_colons(found: re.Match[str]) -> str:
    """pgbench takes a colon and what follows for a variable of its own."""
    escaped, text = found.groups()
    if ":" not in text:
        return found.group(0)
    return "E'" + (text if escaped else text.replace("\\", "\\\\")).replace(":", r"\x3A") + "'"
