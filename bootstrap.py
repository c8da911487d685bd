"""The only place that wires: settings in, a service out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from commands.api.side import CommandSide
from commands.executor import Executor
from commands.world import World
from domain.events import SYSTEM, Actor
from domain.ports import Clock
from domain.rules import Rules
from infrastructure.auth.directory import UserDirectory
from infrastructure.auth.errors import UnusableKey
from infrastructure.auth.jwks import JwksKeys, Patience
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.service_token import token_in
from infrastructure.auth.tokens import TokenVerifier
from infrastructure.cards.vault import CardVault
from infrastructure.clock import HeldClock, SystemClock
from infrastructure.elasticsearch.history_writer import HistoryWriter
from infrastructure.elasticsearch.indices import HistoryIndices
from infrastructure.elasticsearch.line import ElasticsearchLine
from infrastructure.elasticsearch.payment_history import ElasticsearchPaymentHistory
from infrastructure.ids import new_id
from infrastructure.mail.smtp import SmtpSender
from infrastructure.observability.metrics import Metrics
from infrastructure.payment_systems.registered import RegisteredPaymentSystems
from infrastructure.postgres.engines import make_engine
from infrastructure.postgres.exclusive import exclusive
from infrastructure.postgres.idempotency import PostgresIdempotencyKeys
from infrastructure.postgres.intake import PostgresIntake
from infrastructure.postgres.unit_of_work import Surroundings, Transactions
from infrastructure.redis.line import PATIENCE_S, RedisLine
from queries.sources import Sources, make_sources
from settings import ClockKind, Settings, SettingsError, needed, parse_card_keys

_LONGEST_S = 20.0
"""For a statement, as we count: a server that hangs, or that nothing reaches any more, heeds no limit of its own."""
_INDEX_LOCK: Final = 7233020
"""Held in Postgres while an index of the history is made or its alias is moved."""


@dataclass(slots=True)
class Service:
    """Everything one process needs; closed at its end."""

    settings: Settings
    engine: AsyncEngine
    clock: Clock
    world: World
    around: Surroundings
    payment_systems: RegisteredPaymentSystems
    metrics: Metrics
    redis: RedisLine
    elasticsearch: ElasticsearchLine | None
    directory: UserDirectory | None

    def transactions(self, actor: Actor = SYSTEM, request_id: str | None = None) -> Transactions:
        return Transactions(self.around, actor, request_id)

    def executor(self, actor: Actor, request_id: str | None) -> Executor:
        keys = PostgresIdempotencyKeys(self.engine, self.transactions(actor, request_id))
        return Executor(keys, self.world)

    def command_side(self) -> CommandSide:
        return CommandSide(
            world=self.world,
            intake=PostgresIntake(self.engine, self.around.new_id),
            directory=self.directory,
            adapters=self.payment_systems,
            executor=self.executor,
            base_url=self.settings.base_url,
            check_sender=self.settings.yookassa_check_sender,
            trusted_proxies=self.settings.trusted_proxies,
        )

    def query_side(self) -> Sources:
        index = ElasticsearchPaymentHistory(self.elasticsearch) if self.elasticsearch else None
        rules, base_url, fell_back = self.world.rules, self.settings.base_url, self.metrics.history_fell_back
        return make_sources(self.engine, self.redis, index, self.clock, rules, base_url, fell_back)

    def mail_sender(self) -> SmtpSender:
        return SmtpSender(needed(self.settings.smtp_url, "SMTP_URL"), self.settings.mail_from)

    async def close(self) -> None:
        await self.payment_systems.close()
        if self.directory is not None:
            await self.directory.close()
        await self.redis.close()
        if self.elasticsearch is not None:
            await self.elasticsearch.close()
        _close_clock(self.clock)
        await self.engine.dispose()


@dataclass(frozen=True, slots=True)
class HistoryIndex:
    """The payment history in Elasticsearch, to be written; who made the line closes it."""

    line: ElasticsearchLine
    indices: HistoryIndices
    writer: HistoryWriter


@dataclass(slots=True)
class Projections:
    """What projections are carried from and to; closed at its end.

    `database_url` is for listening; `history`: None where no Elasticsearch is configured.
    """

    database_url: str
    engine: AsyncEngine
    clock: Clock
    rules: Rules
    base_url: str
    redis: RedisLine
    history: HistoryIndex | None

    async def close(self) -> None:
        await self.redis.close()
        if self.history is not None:
            await self.history.line.close()
        _close_clock(self.clock)
        await self.engine.dispose()


async def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Wire a service; nothing outside is asked yet. A `clock` of one's own is for tests: production refuses it."""
    database_url = needed(settings.database_url, "DATABASE_URL")
    if clock is not None and settings.production:
        raise SettingsError("BILLING_CLOCK: production runs on the system clock")
    if clock is None:
        clock = _clock(settings, database_url)
    engine = _engine(database_url, connections=20)
    rules = settings.rules
    vault = CardVault(parse_card_keys(needed(settings.card_keys, "CARD_KEYS")))
    payment_systems = RegisteredPaymentSystems(
        _engine(database_url, connections=2, pool_pre_ping=True),  # one look serves all who ask: not over a dead line
        clock,
        given={"yookassa": _yookassa_account(settings), "imitation": {}},
        limits={"yookassa": {"threads": 16, "deadline_s": settings.payment_deadline_s}},
        vault=vault,
        production=settings.production,
    )
    metrics, es_url = Metrics(payment_systems.states), _elasticsearch_url(settings)
    return Service(
        settings=settings,
        engine=engine,
        clock=clock,
        world=World(clock, SystemClock(), new_id, rules, payment_systems, vault),
        around=Surroundings(engine, clock, new_id, rules, settings.base_url, metrics.happened),
        payment_systems=payment_systems,
        metrics=metrics,
        redis=RedisLine(needed(settings.redis_url, "REDIS_URL")),
        elasticsearch=ElasticsearchLine(es_url) if es_url else None,
        directory=UserDirectory(settings.auth_api_url, token_in(settings.auth_api_token))
        if settings.auth_api_url
        else None,
    )


def build_projections(settings: Settings, *, redis_patience_s: float = PATIENCE_S) -> Projections:
    """Wire what carries the outbox to Redis and Elasticsearch; nothing outside is asked yet.

    `redis_patience_s`: for one answer.
    """
    database_url, redis_url = needed(settings.database_url, "DATABASE_URL"), needed(settings.redis_url, "REDIS_URL")
    engine = projection_engine(settings)
    line = history_line(settings, patience_s=3.0)
    return Projections(
        database_url=database_url,
        engine=engine,
        clock=_clock(settings, database_url),
        rules=settings.rules,
        base_url=settings.base_url,
        redis=RedisLine(redis_url, patience_s=redis_patience_s),
        history=None if line is None else history_index(engine, line, settings.history_shards),
    )


def projection_engine(settings: Settings) -> AsyncEngine:
    """A small pool for who carries projections or makes them anew."""
    address = needed(settings.database_url, "DATABASE_URL")
    return make_engine(address, {"timeout": 5, "command_timeout": 30}, pool_size=6, max_overflow=4)


def history_line(settings: Settings, *, patience_s: float) -> ElasticsearchLine | None:
    """For who writes the history and keeps pauses of their own; None where no Elasticsearch is configured."""
    url = _elasticsearch_url(settings)
    return None if url is None else ElasticsearchLine(url, patience_s=patience_s, pause_s=0)


def history_index(engine: AsyncEngine, line: ElasticsearchLine, shards: int = 1) -> HistoryIndex:
    """The history's indices, guarded between processes by a lock in Postgres. `shards`: of each month that is made."""

    def alone() -> AbstractAsyncContextManager[None]:
        return exclusive(engine, _INDEX_LOCK)

    indices = HistoryIndices(line, alone, shards=shards)
    return HistoryIndex(line, indices, HistoryWriter(line, indices))


def _clock(settings: Settings, database_url: str) -> Clock:
    return HeldClock(database_url) if settings.clock is ClockKind.HELD else SystemClock()


def _close_clock(clock: Clock) -> None:
    if isinstance(clock, HeldClock):
        clock.close()


def _elasticsearch_url(settings: Settings) -> str | None:
    return None if settings.elasticsearch_url in (None, "", "none") else settings.elasticsearch_url


def _engine(database_url: str, connections: int, *, pool_pre_ping: bool = False) -> AsyncEngine:
    """A pool of so many connections, each of which gives up in time."""
    limits = {
        "statement_timeout": "15000",
        "lock_timeout": "10000",
        "idle_in_transaction_session_timeout": "30000",
    }
    return make_engine(
        database_url,
        {"timeout": 5, "command_timeout": _LONGEST_S, "server_settings": limits},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=pool_pre_ping,
    )


def token_verifier(settings: Settings) -> TokenVerifier:
    """RS256 only, by a PEM or a JWKS (AUTH-4)."""
    keys: StaticKeys | JwksKeys
    if settings.auth_public_key:
        try:
            keys = StaticKeys.from_pem(settings.auth_public_key)
        except UnusableKey as error:
            raise SettingsError(f"BILLING_AUTH_PUBLIC_KEY: {error}") from None
    elif settings.auth_jwks_url:
        keys = JwksKeys(settings.auth_jwks_url, Patience())
    else:
        raise SettingsError("BILLING_AUTH_PUBLIC_KEY or BILLING_AUTH_JWKS_URL: one of them is needed")
    return TokenVerifier(keys, issuer=settings.auth_issuer, audience=settings.auth_audience)


def _yookassa_account(settings: Settings) -> dict[str, str]:
    given = {
        "api_url": settings.yookassa_api_url,
        "shop_id": settings.yookassa_shop_id,
        "secret_key": settings.yookassa_secret_key,
    }
    return {name: value for name, value in given.items() if value}
