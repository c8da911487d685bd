"""Reads over HTTP beside a bare route, and the function that auth calls beside a bare GET."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import redis as blocking_redis
from redis.asyncio import Redis

from bootstrap import build
from domain.payment_history import HistoryFilter, Position
from infrastructure.elasticsearch.line import ElasticsearchLine
from infrastructure.elasticsearch.payment_history import ElasticsearchPaymentHistory
from infrastructure.redis.active_subscriptions import key_of
from jobs.rebuild import rebuild_history
from tests.performance.figures import Figure, Result, Target, at_least, at_most, of_floor
from tests.performance.load import Ask, Load
from tests.performance.people import Story, stories
from tests.performance.place import Place

_PEOPLE: Final = 50
_PAYMENTS: Final = 60
_CALLS: Final = 4000
_PEAK: Final = 2600  # 25 times the planned peak of 104 requests a second
_FLOOR_OF_PEAK: Final = 4300


def newest_page(place: Place) -> Result:
    """The newest page of a person's history, which stands in Redis."""

    def ask(story: Story) -> Ask:
        return Ask("/v1/payments", _bearer(place.token(story.user_id)))

    return _from_redis(place, "newest page of a history", 25, ask)


def active_over_http(place: Place) -> Result:
    """Who is subscribed to what, as the auth service asks over HTTP."""
    headers = _bearer(place.token("auth", scope="billing:internal"))

    def ask(story: Story) -> Ask:
        return Ask(f"/internal/v1/users/{story.user_id}/active-subscriptions", headers)

    return _from_redis(place, "active subscriptions over HTTP", 1, ask)


def _from_redis(place: Place, what: str, payments: int, ask: Callable[[Story], Ask]) -> Result:
    """One read for each of some people who have paid so often, beside the same bytes from Redis."""
    database = place.database()
    people = asyncio.run(stories(database, people=_PEOPLE, payments=payments))
    asks = [ask(story) for story in people]
    with place.serves(database) as url, place.bare() as bare:
        floor_asks = _kept(place, [_body(url, one) for one in asks])
        floor, ours = _by_turns(place, lambda: place.load(bare, floor_asks), lambda: place.load(url, asks))
    return _http_result(what, floor, ours, p99_ms=20, peak=True)


def active_function(place: Place) -> Result:
    """The function that auth calls, one call after the other; as redis-py counts, each is one round trip."""
    database = place.database()
    people = asyncio.run(stories(database, people=_PEOPLE, payments=1))
    floor, ours, trips = asyncio.run(_functions(place, database, people))
    return Result(
        "active subscriptions, the function",
        Figure(floor, "/s"),
        Figure(ours, "/s"),
        (Target(f"round trips {trips:.3f}", "1", trips <= 1.001), of_floor(ours, floor, 0.8)),
        notes="one connection, one call after the other, beside redis-py's GET of the same key",
    )


async def _functions(
    place: Place, database: str, people: list[Story]
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    service = await build(place.settings(database))
    bare: Redis = Redis.from_url(place.valkey.url)
    active = service.query_side().active_subscriptions
    floor, ours, asked = [], [], 0
    try:
        for one in people:
            await active.of(one.user_id)  # from now on they stand in Redis
        for _ in range(place.repetitions):
            began = time.perf_counter()
            for number in range(_CALLS):
                await bare.get(key_of(people[number % _PEOPLE].user_id))
            floor.append(_CALLS / (time.perf_counter() - began))
            before, began = _commands(place), time.perf_counter()
            for number in range(_CALLS):
                await active.of(people[number % _PEOPLE].user_id)
            ours.append(_CALLS / (time.perf_counter() - began))
            asked += _commands(place) - before - 1  # the counting is counted too
    finally:
        await bare.aclose()
        await service.close()
    return tuple(floor), tuple(ours), asked / (_CALLS * place.repetitions)


def older_pages(place: Place) -> Result:
    """Pages that only Elasticsearch has: the second one, a filtered one and one found by words."""
    database = place.database()
    people = asyncio.run(stories(database, people=_PEOPLE, payments=_PAYMENTS))
    given = {"elasticsearch_url": place.elasticsearch.url}
    asyncio.run(rebuild_history(place.settings(database, **given)))
    with place.serves(database, **given) as url, place.bare(elasticsearch=True) as bare:
        asks, searches = [], []
        for story in people:
            headers = _bearer(place.token(story.user_id))
            for query, wanted, after in _questions(json.loads(_body(url, Ask("/v1/payments", headers)))):
                asks.append(Ask(f"/v1/payments?{query}", headers))
                searches.append(asyncio.run(_search_of(story, wanted, after)))
        floor_asks = _kept(place, [json.dumps(search).encode() for search in searches], route="elasticsearch")
        _must_show_the_same(url, asks, bare, floor_asks)
        floor, ours = _by_turns(place, lambda: place.load(bare, floor_asks), lambda: place.load(url, asks))
    return _http_result("older pages, filters, search", floor, ours)


def _questions(newest: dict[str, Any]) -> list[tuple[str, HistoryFilter, Position | None]]:
    """As a person's first page leads on to them."""
    last = newest["items"][-1]
    after = Position(datetime.fromisoformat(last["created_at"]), UUID(last["id"]))
    return [
        (f"cursor={newest['next_cursor']}", HistoryFilter(), after),
        ("status=succeeded&kind=renewal", HistoryFilter(status="succeeded", kind="renewal"), None),
        ("q=premium", HistoryFilter(q="premium"), None),
    ]


async def _search_of(story: Story, wanted: HistoryFilter, after: Position | None) -> dict[str, Any]:
    """What our history asks of Elasticsearch for this page."""
    line = _Listening()
    await ElasticsearchPaymentHistory(line).page(story.user_id, wanted, after, 20)
    return {"routing": str(story.user_id), "body": line.asked}


class _Listening(ElasticsearchLine):
    """Keeps what it is asked and finds enough for one page."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.asked: dict[str, Any] = {}

    async def ask(self, method: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        self.asked = body
        hit = {"_source": {"document": "{}"}, "sort": [0, str(uuid4())]}
        return {"hits": {"hits": [hit] * body["size"]}}


# --- over HTTP -----------------------------------------------------------------------------------------
def _by_turns(place: Place, floor: Callable[[], Load], ours: Callable[[], Load]) -> tuple[list[Load], list[Load]]:
    """Floor and ours one after the other, so that both see the same machine."""
    taken = [(floor(), ours()) for _ in range(place.repetitions)]
    return [one for one, _ in taken], [one for _, one in taken]


def _http_result(
    what: str, floor: list[Load], ours: list[Load], *, p99_ms: float | None = None, peak: bool = False
) -> Result:
    bare, rate = tuple(one.rate for one in floor), Figure(tuple(one.rate for one in ours), "/s")
    targets = [of_floor(rate.values, bare, 0.7)]
    if peak:
        # The absolute number holds where the floor itself gives what it was set by.
        least = _PEAK * min(Figure(bare).middle / _FLOOR_OF_PEAK, 1.0)
        targets.append(at_least("", rate, round(least)))
    if p99_ms is not None:
        targets.append(at_most("p99", Figure(tuple(one.p99_ms for one in ours), " ms"), p99_ms))
    return Result(what, Figure(bare, "/s"), rate, targets, notes="8 connections, a process for each of server and load")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _body(url: str, ask: Ask) -> bytes:
    reply = httpx.get(url + ask.path, headers=ask.headers)
    reply.raise_for_status()
    return reply.content


def _kept(place: Place, bodies: list[bytes], route: str = "redis") -> list[Ask]:
    """Put under keys of the floor's; how it is asked for them."""
    with blocking_redis.Redis.from_url(place.valkey.url) as client:
        names = [f"floor-{uuid4().hex}" for _ in bodies]
        for name, body in zip(names, bodies, strict=True):
            client.set(name, body)
    return [Ask(f"/{route}/{name}") for name in names]


def _commands(place: Place) -> int:
    with blocking_redis.Redis.from_url(place.valkey.url) as client:
        stats: Mapping[str, Any] = client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("get", "evalsha", "hget", "info"))


def _must_show_the_same(url: str, asks: list[Ask], bare: str, floor_asks: list[Ask]) -> None:
    """A floor that answers another question is none: the first person's pages have to hold the same payments."""
    for ask, beside in list(zip(asks, floor_asks, strict=True))[:3]:
        ours = [one["id"] for one in json.loads(_body(url, ask))["items"]]
        found = [one["id"] for one in json.loads(_body(bare, beside))["items"]]
        if not ours or ours != found[: len(ours)]:
            raise RuntimeError(f"{ask.path}: {len(ours)} payments here, {len(found)} on the floor, not the same")
