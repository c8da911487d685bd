"""The real service, wired for a simulated world: real commands, jobs and Postgres, and ports that chance plays with."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import asyncpg  # type: ignore[import-untyped] # it ships no types
from fastapi import FastAPI

from bootstrap import Service, build, token_verifier
from commands.app import add_commands
from commands.world import World
from domain.ports import PaymentSystem
from infrastructure.http.surroundings import surround
from infrastructure.mail.smtp import Mail, Sent, SmtpSender, TryLater, Undeliverable
from infrastructure.postgres.unit_of_work import Surroundings
from jobs.projection.access import AccessProjection
from queries.app import add_queries
from settings import Settings
from tests.simulation.chance import Chance
from tests.simulation.loop import simulated_loop
from tests.simulation.shop import Hands, SimulatedShop
from tests.simulation.turns import Turns, WatchedEngine


class SimulatedMail(SmtpSender):
    """A mailbox that sometimes refuses, and sometimes takes a mail without being able to say so."""

    def __init__(self, chance: Chance, turns: Turns) -> None:
        super().__init__("smtp://127.0.0.1:9", "billing@cinema.example")
        self.mishaps = True
        self.delivered: Counter[str] = Counter()
        self.letters: dict[str, tuple[str, str, str]] = {}
        self._chance, self._turns, self._tries = chance, turns, Counter[str]()

    async def send(self, mail: Mail) -> Sent | TryLater | Undeliverable:
        async with self._turns.call("send_mail"):
            self._tries[mail.message_id] += 1
            name = f"{mail.message_id} #{self._tries[mail.message_id]}"
            if self.mishaps and self._chance.happens(f"mail refused: {name}", 0.05):
                return TryLater("come again")
            self.delivered[mail.message_id] += 1
            self.letters[mail.message_id] = (mail.to, " ".join(mail.events), mail.object_id)
            if self.mishaps and self._chance.happens(f"mail taken without a word: {name}", 0.03):
                return TryLater("no answer arrived")
            return Sent()


class OneShop:
    """Implements domain.ports.PaymentSystems: whatever code is asked for, it is the simulated shop."""

    def __init__(self, shop: SimulatedShop) -> None:
        self._shop = shop

    async def by_code(self, code: str) -> PaymentSystem:
        return self._shop

    async def accounts(self) -> list[list[str]]:
        return [["yookassa"]]

    async def close(self) -> None:
        await self._shop.close()


class SimulatedService(Service):
    mailbox: SimulatedMail

    def mail_sender(self) -> SmtpSender:
        return self.mailbox


class CommittedBooks:
    """Implements shop.Books on a connection of the auditor's own."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def is_written(self, table: str, object_id: UUID) -> bool:
        return bool(await self._connection.fetchval(f"SELECT 1 FROM {table} WHERE id = $1", object_id))  # noqa: S608 -- our own names

    async def removed(self, provider_method_id: str) -> UUID | None:
        query = "SELECT id FROM payment_methods WHERE provider_method_id = $1 AND removed_at IS NOT NULL"
        method_id: UUID | None = await self._connection.fetchval(query, provider_method_id)
        return method_id


class Ids:
    """Identifiers in the order of their making, the same in each run."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self) -> UUID:
        self._made += 1
        return UUID(int=(0x7000_8000 << 96) | self._made)


@dataclass(slots=True)
class Stage:
    """All that a world is played with. `books`: a connection of the auditor's own, past every turn."""

    service: SimulatedService
    access: AccessProjection
    books: asyncpg.Connection[asyncpg.Record]
    shop: SimulatedShop
    clock: Hands
    turns: Turns
    app: FastAPI

    def new_api(self) -> None:
        """The API's process is started anew: what it had in memory is gone."""
        self.app.state.commands = self.service.command_side()

    async def move_to(self, at: datetime) -> None:
        self.clock.move(at)
        async with outside():
            await self.books.execute("UPDATE simulated_wall SET now = $1", at)


@asynccontextmanager
async def outside() -> AsyncIterator[None]:
    """Real answers are waited for here, so that no timer comes before them."""
    loop = simulated_loop()
    loop.outside += 1
    try:
        yield
    finally:
        loop.outside -= 1


@asynccontextmanager
async def open_stage(
    database_url: str, redis_url: str, public_key: str, chance: Chance, start: datetime
) -> AsyncIterator[Stage]:
    """An empty service at `start`. Runs on a SimulatedLoop."""
    async with outside():
        books = await asyncpg.connect(database_url)
        await _empty(books)
        await books.execute("UPDATE simulated_wall SET now = $1", start)
    clock, turns = Hands(start), Turns(chance)

    shop = SimulatedShop(chance, turns, clock, CommittedBooks(books))
    async with outside():
        service = await _service(_settings(database_url, redis_url, public_key), clock, shop, turns)
        await service.redis.client.flushdb()
    service.mailbox = SimulatedMail(chance, turns)
    app = FastAPI()
    add_commands(app, service.command_side())
    add_queries(app, service.query_side(), token_verifier(service.settings))
    surround(app)
    access = AccessProjection(service.engine, service.redis, clock, service.world.rules)
    try:
        yield Stage(service, access, books, shop, clock, turns, app)
    finally:
        async with outside():
            await service.close()
            await books.close()


async def _service(settings: Settings, clock: Hands, shop: SimulatedShop, turns: Turns) -> SimulatedService:
    plain = await build(settings, clock)
    await plain.payment_systems.close()
    service = SimulatedService(**{each.name: getattr(plain, each.name) for each in fields(plain)})
    new_id = Ids()
    service.engine = WatchedEngine.over(plain.engine, turns)
    service.around = Surroundings(service.engine, clock, new_id, plain.world.rules, settings.base_url)
    shops = OneShop(shop)
    service.world = World(clock, clock, new_id, plain.world.rules, shops, plain.world.vault)
    service.payment_systems = shops  # type: ignore[assignment] # jobs need of it what the port names
    return service


async def _empty(books: asyncpg.Connection[asyncpg.Record]) -> None:
    rows = await books.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
        "AND tablename NOT IN ('alembic_version', 'payment_systems', 'simulated_wall')"
    )
    await books.execute(f"TRUNCATE {', '.join(row['tablename'] for row in rows)} RESTART IDENTITY CASCADE")


def _settings(database_url: str, redis_url: str, public_key: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        elasticsearch_url="none",
        yookassa_api_url="http://127.0.0.1:9/v3",
        yookassa_shop_id="shop",
        yookassa_secret_key="key",
        auth_public_key=public_key,
        smtp_url="smtp://127.0.0.1:9",
        card_keys="test:" + base64.b64encode(bytes(32)).decode(),
    )
