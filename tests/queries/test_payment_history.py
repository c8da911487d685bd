"""One suite for every keeper of the history: Postgres and Elasticsearch answer alike, item by item."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bootstrap import history_index
from domain.money import Money
from domain.payment_history import ALL, HistoryFilter, MonthSum, PaymentHistory, Position
from infrastructure.elasticsearch.line import ElasticsearchLine
from infrastructure.elasticsearch.payment_history import ElasticsearchPaymentHistory
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.postgres import tables
from infrastructure.postgres.reading.payment_history import PostgresPaymentHistory
from jobs.projection.rebuild import rebuild_history
from tests.queries.books import NOW, Books

BASE = "http://billing.test"


@dataclass(frozen=True)
class Written:
    """What the suite's history holds."""

    vera: UUID
    boris: UUID
    payments: list[UUID]  # newest first
    by_name: dict[str, UUID]


@pytest.fixture(scope="module")
async def written(engine: AsyncEngine) -> Written:
    books = Books(engine)
    vera, boris = await books.person(), await books.person()
    premium = await books.plan("premium", name="Премиум")
    sport = await books.plan("sport", name="Футбольные матчи")
    card = await books.method(vera, "Bank card *4444")
    mine, other, his = (
        await books.subscription(vera, premium),
        await books.subscription(vera, sport),
        await books.subscription(boris, premium),
    )
    for hour in (21, 22, 23):  # after midnight in one zone of Europe after the other, in summer
        await books.payment(boris, his, datetime(2025, 7, 31, hour, 30, tzinfo=UTC))
    twins = [await books.payment(vera, mine, NOW - timedelta(days=40), description="twin") for _ in range(3)]
    made = {
        "newest": await books.payment(vera, mine, NOW, payment_method_id=card, provider_payment_id="2D7E-000f-5000"),
        "refunded": await books.payment(vera, mine, NOW - timedelta(days=1), amount=100000, refunded=33333),
        "refused": await books.payment(vera, other, NOW - timedelta(days=31), status="canceled", amount=100),
        "binding": await books.payment(vera, other, NOW - timedelta(days=32), kind="binding", amount=0),
        "a microsecond earlier": await books.payment(vera, other, NOW - timedelta(microseconds=1), amount=29900),
        "english": await books.payment(
            vera,
            other,
            NOW - timedelta(days=50),
            kind="external",
            source="shop",
            reference="1",
            description="Gift cards",
        ),
        "ancient": await books.payment(vera, other, NOW - timedelta(days=1500), description="Ёлка и ведёрко"),
    }
    order = ["newest", "a microsecond earlier", "refunded", "refused", "binding"]
    payments = [made[name] for name in order] + sorted(twins, reverse=True) + [made["english"], made["ancient"]]
    return Written(vera, boris, payments, made)


@pytest.fixture(scope="module", params=["postgres", pytest.param("elasticsearch", marks=pytest.mark.elasticsearch)])
async def history(
    request: pytest.FixtureRequest, engine: AsyncEngine, written: Written
) -> AsyncIterator[PaymentHistory]:
    if request.param == "postgres":
        yield PostgresPaymentHistory(engine, BASE)
        return
    node: EmbeddedElasticsearch = request.getfixturevalue("elasticsearch")
    line = ElasticsearchLine(node.url, patience_s=20)
    index = history_index(engine, line)
    await rebuild_history(engine, index.indices, index.writer, BASE)
    yield ElasticsearchPaymentHistory(line)
    await line.close()


async def found(history: PaymentHistory, user: UUID, wanted: HistoryFilter = ALL, limit: int = 100) -> list[UUID]:
    page = await history.page(user, wanted, None, limit)
    return [UUID(json.loads(item)["id"]) for item in page.items]


async def test_the_newest_come_first_and_others_are_not_seen(history: PaymentHistory, written: Written) -> None:
    assert await found(history, written.vera) == written.payments
    assert await found(history, UUID(int=1)) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10])
async def test_pages_join_without_gaps_or_repeats(history: PaymentHistory, written: Written, limit: int) -> None:
    seen: list[UUID] = []
    after: Position | None = None
    while True:
        page = await history.page(written.vera, ALL, after, limit)
        assert len(page.items) <= limit
        seen += [UUID(json.loads(item)["id"]) for item in page.items]
        after = page.next
        if after is None:
            break
    assert seen == written.payments


async def test_a_payment_looks_the_same_wherever_it_is_read(
    history: PaymentHistory, engine: AsyncEngine, written: Written
) -> None:
    books = PostgresPaymentHistory(engine, BASE)
    assert (await history.page(written.vera, ALL, None, 100)).items == (
        await books.page(written.vera, ALL, None, 100)
    ).items


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (HistoryFilter(status="canceled"), ["refused"]),
        (HistoryFilter(kind="binding"), ["binding"]),
        (HistoryFilter(plan_code="sport", status="succeeded", min_amount=29900, max_amount=29900),
         ["a microsecond earlier"]),
        (HistoryFilter(min_amount=100000), ["refunded"]),
        (HistoryFilter(max_amount=100), ["refused", "binding"]),
        (HistoryFilter(created_from=NOW), ["newest"]),
        (HistoryFilter(created_from=NOW - timedelta(microseconds=1), created_to=NOW), ["a microsecond earlier"]),
        (HistoryFilter(created_to=NOW - timedelta(days=1000)), ["ancient"]),
        (HistoryFilter(plan_code="none"), []),
        (HistoryFilter(created_from=NOW, created_to=NOW), []),
    ],
)  # fmt: skip
async def test_filters(history: PaymentHistory, written: Written, wanted: HistoryFilter, names: list[str]) -> None:
    assert await found(history, written.vera, wanted) == [written.by_name[name] for name in names]


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("gift", ["english"]),
        ("GIFTS card", ["english"]),
        ("елка", ["ancient"]),
        ("ведёрком", ["ancient"]),
        (
            unicodedata.normalize("NFD", "ведёрком"),
            ["ancient"],
        ),  # as some machines spell names of files
        ("4444", ["newest"]),
        ("*4444", ["newest"]),
        ("2d7e-000F-5000", ["newest"]),
        ("gift самокат", []),
        ("!?", []),
        ("' OR 1=1 --", []),
        ('{"match_all":{}}', []),
    ],
)
async def test_search_in_words_of_both_languages_and_ids(
    history: PaymentHistory, written: Written, q: str, names: list[str]
) -> None:
    assert await found(history, written.vera, HistoryFilter(q=q)) == [written.by_name[name] for name in names]


async def test_search_knows_the_forms_of_russian_words(history: PaymentHistory, written: Written) -> None:
    of_sport = await found(history, written.vera, HistoryFilter(plan_code="sport"))
    for q in ("футбольный матч", "Матчей футбольных", "sport"):
        assert await found(history, written.vera, HistoryFilter(q=q)) == of_sport
    refused = written.by_name["refused"]
    assert await found(history, written.vera, HistoryFilter(q=str(refused).upper())) == [refused]


async def test_a_page_of_a_search_goes_on_where_it_ended(history: PaymentHistory, written: Written) -> None:
    first = await history.page(written.vera, HistoryFilter(q="twin"), None, 2)
    rest = await history.page(written.vera, HistoryFilter(q="twin"), first.next, 2)
    assert (len(first.items), len(rest.items), rest.next) == (2, 1, None)


async def test_sums_of_months_are_the_persons(history: PaymentHistory, written: Written) -> None:
    months = await history.summary(written.vera, "Europe/Moscow", NOW - timedelta(days=45), None)
    assert months == [
        MonthSum("2026-04", Money(3 * 49900), Money(0), 3),
        MonthSum("2026-05", Money(49900 + 100000 + 29900), Money(33333), 3),
    ]
    assert await history.summary(UUID(int=1), "Europe/Moscow", None, None) == []


async def test_a_month_begins_at_the_persons_midnight(history: PaymentHistory, written: Written) -> None:
    narrow = (NOW - timedelta(microseconds=1), NOW + timedelta(seconds=1))
    [moscow] = await history.summary(written.vera, "Pacific/Kiritimati", *narrow)
    assert replace(moscow, month="") == MonthSum("", Money(79800), Money(0), 2)
    assert moscow.month == "2026-05"


@pytest.mark.parametrize(("zone", "in_july", "in_august"), [("WET", 2, 1), ("CET", 1, 2), ("MET", 1, 2), ("EET", 0, 3)])
async def test_a_zone_that_shares_its_name_with_an_abbreviation_has_summer_time(
    history: PaymentHistory, written: Written, zone: str, in_july: int, in_august: int
) -> None:
    """Postgres takes such a name for the abbreviation first, which is winter time all year long."""
    months = {one.month: one.count for one in await history.summary(written.boris, zone, None, None)}
    assert (months.get("2025-07", 0), months.get("2025-08", 0)) == (in_july, in_august)


def test_the_suite_reads_what_was_written(written: Written) -> None:
    assert len(set(written.payments)) == len(written.payments) == 10
    assert tables.payments.name == "payments"
