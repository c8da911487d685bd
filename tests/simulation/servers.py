"""Where worlds are played: a database and a Redis that are emptied before each, and the key of the tokens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from alembic.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alembic import command
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.throwaway import throwaway_postgres, throwaway_valkey
from infrastructure.local.valkey import EmbeddedValkey

_ROOT = Path(__file__).parents[2]
_WALL = """
CREATE TABLE simulated_wall (now timestamptz NOT NULL);
INSERT INTO simulated_wall VALUES (now());
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz
    LANGUAGE sql STABLE AS 'SELECT now FROM public.simulated_wall';
"""
"""The database's own clock, which leases, retries and defaults go by, follows the world's: in a search path that names
`public` before `pg_catalog` it is the one that statements and the schema find."""
_TOKENS_LIVE_S = 3 * 86400


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Servers:
    database_url: str
    redis_url: str
    key: rsa.RSAPrivateKey = field(default_factory=_new_key, repr=False)

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, **claims: str) -> str:
        """An RS256 JWT. Made by hand: the library checks its key anew for each, which takes a tenth of a second."""
        body = {**claims, "exp": int(time.time()) + _TOKENS_LIVE_S}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, body))
        return b".".join((signed, _encoded(self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())))).decode()


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


@contextmanager
def servers_for(count: int) -> Iterator[list[tuple[str, str]]]:
    """So many databases and Redis', by their addresses: one pair for each process that plays."""
    # Vacuum at its own times would change plans and the order of rows, and with them who comes first.
    with throwaway_postgres({"autovacuum": "off"}) as postgres, throwaway_valkey() as valkey:
        _migrate(postgres)
        yield [(_database(postgres, f"world_{number}"), _redis(valkey, number)) for number in range(count)]


def _migrate(postgres: EmbeddedPostgres) -> None:
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("script_location", str(_ROOT / "alembic"))
    url = _first_in_its_path(postgres, "migrated", postgres.create_database("migrated"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WALL)
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, "head")


def _database(postgres: EmbeddedPostgres, name: str) -> str:
    return _first_in_its_path(postgres, name, postgres.create_database(name, template="migrated"))


def _first_in_its_path(postgres: EmbeddedPostgres, name: str, url: str) -> str:
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return url


def _redis(valkey: EmbeddedValkey, number: int) -> str:
    return f"{valkey.url.rstrip('/').removesuffix('/0')}/{number}"
