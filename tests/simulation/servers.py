"""Where worlds are played: a database and a Redis that are emptied before each, and the key of the tokens."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infrastructure.local.throwaway import throwaway_postgres, throwaway_valkey
from tests.schema import make_schema

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process plays: an empty database, an empty Redis and the core that they keep to."""

    database_url: str
    redis_url: str
    core: int | None


def cores() -> list[int | None]:
    """Those that this process may use; a None where the system cannot keep a process to one."""
    if hasattr(os, "sched_setaffinity"):
        return [*sorted(os.sched_getaffinity(0))]
    return [None] * (os.cpu_count() or 1)


@contextmanager
def places_on(chosen: Iterable[int | None]) -> Iterator[list[Place]]:
    """A place on each of these cores."""
    with ExitStack() as stack:
        yield [stack.enter_context(_place(core)) for core in chosen]


@contextmanager
def _place(core: int | None) -> Iterator[Place]:
    with ExitStack() as stack:
        with _kept_to(core):
            settings = {
                # Vacuum at its own times would change plans and the order of rows, and with them who comes first.
                "autovacuum": "off",
                "synchronous_commit": "off",
                "search_path": "public, pg_catalog",
                # Tables are small and the same statements come by the million: planning them anew takes longer than
                # the worst plan costs. Worlds go by at 1.2 times the speed.
                "plan_cache_mode": "force_generic_plan",
                # Without figures of what the tables hold, the planner takes them for small, and reads them whole.
                "enable_seqscan": "off",
                "unix_socket_directories": ".",
                # Nobody follows this server, restores it or watches it.
                "wal_level": "minimal",
                "max_wal_senders": "0",
                "track_activities": "off",
                "track_counts": "off",
                "update_process_title": "off",
            }
            postgres = stack.enter_context(throwaway_postgres(settings))
            valkey = stack.enter_context(throwaway_valkey())
        # By its socket's file, in its data's folder: a question over TCP takes a third longer (75 and 55 µs).
        url = f"postgresql://postgres@/billing?host={postgres.data_dir}&port={postgres.port}"
        yield Place(url, valkey.url, core)


@contextmanager
def _kept_to(core: int | None) -> Iterator[None]:
    """What is started meanwhile stays on that core.

    A question to a server on another core has to wake that core up, which on a virtual machine takes three times as
    long as the whole question and answer on one (110 and 35 µs): worlds go by at 1.5 times the speed.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def servers_at(place: Place) -> Iterator[Servers]:
    """The place's servers with the schema in them, while this process keeps to their core as well."""
    with _kept_to(place.core):
        _migrate(place.database_url)
        yield Servers(place.database_url, place.redis_url)


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers for one world after the other, on the first core."""
    with places_on(cores()[:1]) as [place], servers_at(place) as found:
        yield found


def _migrate(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WALL)
    make_schema(url)
