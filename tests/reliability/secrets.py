"""What a running stack has written down, place by place, and which of its secrets stand there: none may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import redis
from psycopg import sql

from infrastructure.local.home import Home
from tests.reliability.real_stack import RealStack

TOKEN = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")
"""A JSON Web Token, whosever it is."""


def found_in(stack: RealStack, *secrets: str) -> list[str]:
    """Where one of these, a key or password of the stack, or any token stands; `secrets` are looked for as they are."""
    home = Home(stack.home)
    ours, panels = home.secrets(), home.panel_secrets()
    keys = [pair.partition(":")[2] for pair in ours["card_keys"].split(",")]
    wanted = [*secrets, ours["yookassa_secret_key"], *keys, *panels.values()]
    found = []
    for place, text in _places(stack):
        found += [f"{place}: {secret[:4]}…" for secret in wanted if secret in text]
        found += [f"{place}: a token" for _ in TOKEN.finditer(text)]
    return found


def _places(stack: RealStack) -> Iterator[tuple[str, str]]:
    """Every log, table, key of Redis, index and mail."""
    for log in sorted((stack.home / "logs").iterdir()):
        yield f"{log.name}", log.read_text("utf-8", "replace")
    yield from _tables(stack)
    yield from _cached(stack)
    with httpx.Client(timeout=30) as http:
        if stack.addresses["elasticsearch"]:
            answer = http.get(f"{stack.addresses['elasticsearch']}/_all/_search", params={"size": 10_000})
            yield "Elasticsearch", answer.raise_for_status().text
        yield "mails", http.get(f"{stack.addresses['mailbox']}/messages").raise_for_status().text


def _tables(stack: RealStack) -> Iterator[tuple[str, str]]:
    """Each with bytes as what they spell."""
    with psycopg.connect(stack.addresses["database"]) as database:
        query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'django')"
        for schema, name in database.execute(query).fetchall():
            rows = database.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))).fetchall()
            spelt = [value.decode("latin-1") for row in rows for value in row if isinstance(value, bytes)]
            yield f"table {name}", "\n".join([*map(str, rows), *spelt])


def _cached(stack: RealStack) -> Iterator[tuple[str, str]]:
    client: Any = redis.Redis.from_url(stack.addresses["redis"])
    reading = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    with client:
        for key in client.scan_iter():
            read = reading.get(client.type(key))  # None where it has expired meanwhile
            yield f"Redis {key.decode()}", str(read(key)) if read else ""
