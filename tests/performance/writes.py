"""Commands beside pgbench that replays their statements: a first payment over HTTP, and renewals by a worker."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import create_async_engine

from bootstrap import Service, build, token_verifier
from commands.app import add_commands
from commands.collect_payment import collect
from commands.renew_subscription import RenewSubscription, renew_subscription
from domain.payment import Payment
from infrastructure.http.surroundings import surround
from infrastructure.local.ports import free_port
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.payment_systems.imitation_books import SavedMethod
from infrastructure.postgres import tables
from jobs.sweeps import Sweeps
from tests.performance.figures import Figure, Result, at_least, at_most, of_floor
from tests.performance.load import Ask
from tests.performance.place import Place
from tests.performance.replay import Heard, Script, listening
from tests.queries.books import Books

_CLIENTS: Final = 8
_DUE_A_SECOND: Final = 300
_GOOD_CARD: Final = "5555555555554444"


# --- a first payment ---------------------------------------------------------------------------------------
def subscribe(place: Place) -> Result:
    """A first payment on the payment page, over HTTP; the payment system answers at once."""
    database = place.database()
    asyncio.run(_sells(place, database))
    one, other = asyncio.run(_two_sales(place, database))
    script = Script.of(one.statements, other.statements, _CLIENTS * 10_000)
    template = database.rpartition("/")[2]
    floor, ours, p99 = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(place.repetitions):
            floor.append(script.run(place.database(template), Path(folder), clients=_CLIENTS, transactions=250))
            with place.serves(place.database(template)) as url:
                load = place.load(url, _wishes(place), connections=_CLIENTS, once=True)
            ours.append(load.rate)
            p99.append(load.p99_ms)
    rate = Figure(tuple(ours), "/s")
    return Result(
        "subscribe",
        Figure(tuple(floor), "/s"),
        rate,
        (of_floor(ours, floor, 0.4), at_least("", rate, 250)),
        notes=f"{_CLIENTS} clients; {len(one.statements)} statements; p99 {Figure(tuple(p99), ' ms')}",
    )


async def _sells(place: Place, database: str) -> None:
    service = await build(place.settings(database))
    try:
        async with _api(service) as api:
            admin = {"Authorization": f"Bearer {place.token('desk', scope='billing:admin')}"}
            for path, body in (
                ("plans", {"code": "premium", "name": "Premium", "price": _PRICE, "period": _MONTH}),
                ("payment-systems", {"code": "imitation", "name": "Imitation", "adapter": "imitation"}),
            ):
                headers = {**admin, "Idempotency-Key": uuid4().hex}
                (await api.post(f"/internal/v1/{path}", json=body, headers=headers)).raise_for_status()
    finally:
        await service.close()


async def _two_sales(place: Place, database: str) -> list[Heard]:
    """What two of them send, once everything is warm."""
    service, found = await build(place.settings(database)), []
    try:
        async with _api(service) as api:
            for ask in _wishes(place, 4):
                with listening(service.engine) as heard:
                    (await api.post(ask.path, content=ask.body, headers=_typed(ask))).raise_for_status()
                found.append(heard)
    finally:
        await service.close()
    return found[-2:]


def _typed(ask: Ask) -> dict[str, str]:
    return {**ask.headers, "Content-Type": "application/json"}


@asynccontextmanager
async def _api(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.token_verifier = token_verifier(service.settings)
    add_commands(app, service.command_side())
    surround(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client:
        yield client


_PRICE: Final = {"value": "499.00", "currency": "RUB"}
_MONTH: Final = {"unit": "month", "count": 1}


def _wishes(place: Place, count: int | None = None) -> list[Ask]:
    """Each of another person; as many as a quick machine may need."""
    payment = {"type": "redirect", "return_url": "https://cinema.example/back"}
    body = {"plan_code": "premium", "price": _PRICE, "payment": payment, "payment_system": "imitation"}
    asks = []
    for _ in range(count or int((place.seconds + 1) * 600)):
        user = uuid4()
        token = place.token(user, email=f"{user.hex}@example.org")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
        asks.append(Ask("/v1/subscriptions", headers, "POST", json.dumps(body)))
    return asks


# --- renewals ----------------------------------------------------------------------------------------------
def renewals(place: Place) -> Result:
    """Due subscriptions renewed by one worker, with a payment system that answers in the same process."""
    return asyncio.run(_renewals(place, per_s=400, over_http=False))


def renewals_over_http(place: Place) -> Result:
    """The same through the SDK, with a payment system that answers in 5 ms."""
    return asyncio.run(_renewals(place, per_s=278, over_http=True))


@dataclass(frozen=True, slots=True)
class _Turn:
    per_s: float
    cpu_ms: float


async def _renewals(place: Place, *, per_s: float, over_http: bool) -> Result:
    due = int(place.seconds * _DUE_A_SECOND) // _CLIENTS * _CLIENTS
    seeded = place.database()
    await _fall_due(seeded, due, "yookassa" if over_http else "imitation")
    template = seeded.rpartition("/")[2]
    port = free_port()
    floor: list[float] = []
    turns: list[_Turn] = []
    with (
        place.runs("shop", ["-m", "tests.performance.quick_shop", str(port)], {}, port) as shop,
        tempfile.TemporaryDirectory() as folder,
    ):
        given = {"yookassa_api_url": f"{shop}/v3"}
        one, other = await _two_renewals(place, place.database(template), due, given)
        script = Script.of(one.statements, other.statements, due)
        for _ in range(place.repetitions):
            copy, runs = place.database(template), due // _CLIENTS
            floor.append(await asyncio.to_thread(script.run, copy, Path(folder), clients=_CLIENTS, transactions=runs))
            turns.append(await _renew_all(place, place.database(template), due, given))
    rate = Figure(tuple(turn.per_s for turn in turns), "/s")
    cpu = Figure(tuple(turn.cpu_ms for turn in turns), " ms")
    targets = [at_least("", rate, per_s)]
    if not over_http:
        targets = [
            of_floor(rate.values, floor, 0.4),
            *targets,
            at_most("commits each:", Figure((float(other.commits),)), 3),
            at_most("our CPU each:", cpu, 2.5),
        ]
    how = "the SDK over HTTP, answers in 5 ms" if over_http else "imitation, no network"
    notes = f"{due} due, one worker; {len(other.statements)} statements, {other.commits} commits, {cpu} of our CPU each"
    return Result(f"renewals, {how}", Figure(tuple(floor), "/s"), rate, targets, notes)


async def _two_renewals(place: Place, database: str, due: int, given: dict[str, str]) -> list[Heard]:
    """What two of them send, once everything is warm; without the claims, which a hundred share."""
    service, found = await _with_saved_cards(place, database, due, given), []
    transactions = service.transactions()
    try:
        for number in range(1, 5):
            with listening(service.engine) as heard:
                async with transactions() as uow:
                    renewed = await renew_subscription(RenewSubscription(UUID(int=number + due)), uow, service.world)
                assert isinstance(renewed, Payment)
                await collect(renewed, transactions, service.world)
            found.append(heard)
    finally:
        await service.close()
    return found[-2:]


async def _renew_all(place: Place, database: str, due: int, given: dict[str, str]) -> _Turn:
    """What a worker does at each tick, until nothing is due."""
    service = await _with_saved_cards(place, database, due, given)
    try:
        sweeps = Sweeps(service)
        began, cpu = time.perf_counter(), time.process_time()
        done = 0
        while count := await sweeps.renewals():
            done += count
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    finally:
        await service.close()
    if done != due:
        raise RuntimeError(f"{done} of {due} were renewed")
    return _Turn(done / seconds, cpu_s * 1000 / done)


async def _with_saved_cards(place: Place, database: str, due: int, given: dict[str, str]) -> Service:
    service = await build(place.settings(database, **given))
    guarded = cast("Guarded", await service.payment_systems.by_code("imitation"))
    imitation = cast("Imitation", guarded._inner)
    for number in range(1, due + 1):
        imitation._books.methods[f"method-{number}"] = SavedMethod(f"method-{number}", _GOOD_CARD)
    return service


async def _fall_due(database: str, count: int, system: str) -> None:
    """Subscriptions whose period is over. The n-th person, subscription and method: n, n + count, n + 2 × count."""
    engine = create_async_engine("postgresql+asyncpg://" + database.partition("://")[2])
    now = datetime.now(UTC)
    over = now - timedelta(minutes=1)
    numbers = range(1, count + 1)
    try:
        plan = await Books(engine).plan("premium")
        methods = [
            {
                "id": UUID(int=n + 2 * count),
                "user_id": UUID(int=n),
                "payment_system": system,
                "provider_method_id": f"method-{n}",
                "kind": "bank_card",
                "title": "Bank card *4444",
                "created_at": now,
            }
            for n in numbers
        ]
        running = [
            {
                "id": UUID(int=n + count),
                "user_id": UUID(int=n),
                "plan_id": plan,
                "status": "active",
                "zone": "Europe/Moscow",
                "payment_system": system,
                "payment_method_id": UUID(int=n + 2 * count),
                "period_number": 1,
                "period_start": over - timedelta(days=30),
                "period_end": over,
                "anchor_at": over - timedelta(days=30),
                "next_charge_at": over,
                "cancel_at_period_end": False,
                "refunding": False,
                "failed_tries": 0,
                "balance": 0,
                "currency": "RUB",
                "created_at": over - timedelta(days=30),
            }
            for n in numbers
        ]
        async with engine.begin() as connection:
            sold = {"id": uuid4(), "code": "imitation", "name": "Imitation", "adapter": "imitation", "settings": {}}
            await connection.execute(insert(tables.payment_systems).values(**sold))
            people = [{"id": UUID(int=n), "email": f"{n}@example.org", "version": 1} for n in numbers]
            for table, rows in ((tables.users, people), (tables.payment_methods, methods)):
                await connection.execute(insert(table), rows)
            await connection.execute(insert(tables.subscriptions), running)
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    finally:
        await engine.dispose()
