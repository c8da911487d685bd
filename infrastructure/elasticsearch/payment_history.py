"""Payment history from Elasticsearch: one shard per query by routing, the newest months first."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.money import Money
from domain.payment_history import HistoryFilter, HistoryPage, HistoryUnavailable, MonthSum, Position, searchable
from infrastructure.elasticsearch.history_document import EPOCH, microseconds
from infrastructure.elasticsearch.line import ElasticsearchLine, ElasticsearchRefusal, ElasticsearchUnavailable

_RECENT_US: Final = 730 * 86_400 * 1_000_000
"""Two years. A page of who pays monthly is found in these; months that lie wholly outside are not even opened."""
_MONTHS_AT_ONCE: Final = 1000


class ElasticsearchPaymentHistory:
    """Implements domain.payment_history.PaymentHistory. `alias`: what all months are read by.

    Every trouble is HistoryUnavailable: what can't be read here can be read in Postgres.
    """

    def __init__(self, line: ElasticsearchLine, alias: str = "payments") -> None:
        self._line = line
        self._path = f"{alias}/_search"

    async def page(self, user_id: UUID, wanted: HistoryFilter, after: Position | None, limit: int) -> HistoryPage:
        hits = await self._newest(user_id, wanted, after, limit + 1)
        items = [hit["_source"]["document"].encode() for hit in hits[:limit]]
        if len(hits) <= limit:
            return HistoryPage(items, None)
        created_us, payment_id = hits[limit - 1]["sort"]
        return HistoryPage(items, Position(EPOCH + timedelta(microseconds=created_us), UUID(payment_id)))

    async def _newest(
        self, user_id: UUID, wanted: HistoryFilter, after: Position | None, size: int
    ) -> list[dict[str, Any]]:
        """Looks at the two newest years of what is asked for, and further back only where they are not enough."""
        latest = [at for at in (wanted.created_to, after.created_at if after else None) if at is not None]
        query: dict[str, Any] = {
            "size": size,
            "track_total_hits": False,
            "_source": ["document"],
            "sort": [{"created_us": "desc"}, {"id": "desc"}],
        }
        if after is not None:
            query["search_after"] = [microseconds(after.created_at), str(after.id)]
        conditions = _conditions(user_id, wanted)
        # The wall clock will do where nothing says more: it bounds the past only, so a held clock loses nothing.
        since = (microseconds(min(latest)) if latest else time.time_ns() // 1000) - _RECENT_US
        recent = {"range": {"created_us": {"gte": since}}}
        found = await self._search(user_id, {**query, "query": {"bool": {"filter": [*conditions, recent]}}})
        if len(found) >= size or (wanted.created_from and microseconds(wanted.created_from) >= since):
            return found
        older = {"range": {"created_us": {"lt": since}}}
        rest = {**query, "size": size - len(found), "query": {"bool": {"filter": [*conditions, older]}}}
        return found + await self._search(user_id, rest)

    async def _search(self, user_id: UUID, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self._ask(user_id, query)
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    async def summary(
        self, user_id: UUID, zone: str, created_from: datetime | None, created_to: datetime | None
    ) -> list[MonthSum]:
        wanted = HistoryFilter(status="succeeded", created_from=created_from, created_to=created_to)
        conditions = {"filter": _conditions(user_id, wanted), "must_not": [{"term": {"kind": "binding"}}]}
        months = {
            "composite": {
                "size": _MONTHS_AT_ONCE,
                "sources": [
                    {
                        "month": {
                            "date_histogram": {
                                "field": "created_at",
                                "calendar_interval": "month",
                                "time_zone": zone,
                                "format": "yyyy-MM",
                            }
                        }
                    },
                    {"currency": {"terms": {"field": "currency"}}},
                ],
            },
            "aggs": {"paid": {"sum": {"field": "amount"}}, "refunded": {"sum": {"field": "refunded"}}},
        }
        query = {"size": 0, "track_total_hits": False, "query": {"bool": conditions}, "aggs": {"months": months}}
        answer = await self._ask(user_id, query)
        return [
            MonthSum(
                bucket["key"]["month"],
                Money(round(bucket["paid"]["value"]), bucket["key"]["currency"]),
                Money(round(bucket["refunded"]["value"]), bucket["key"]["currency"]),
                bucket["doc_count"],
            )
            for bucket in answer["aggregations"]["months"]["buckets"]
        ]

    async def _ask(self, user_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
        params = {
            "routing": str(user_id),
            "allow_partial_search_results": "false",
            "pre_filter_shard_size": "1",  # months without a row in the span are left out before anything is read
        }
        try:
            return await self._line.ask("POST", self._path, query, params=params)
        except (ElasticsearchUnavailable, ElasticsearchRefusal) as error:
            raise HistoryUnavailable(str(error)) from None


def _conditions(user_id: UUID, wanted: HistoryFilter) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"term": {"user_id": str(user_id)}}]
    for field, value in (("status", wanted.status), ("kind", wanted.kind), ("plan_code", wanted.plan_code)):
        if value is not None:
            found.append({"term": {field: value}})
    span = {bound: microseconds(at) for bound, at in (("gte", wanted.created_from), ("lt", wanted.created_to)) if at}
    amounts = {
        bound: amount
        for bound, amount in (("gte", wanted.min_amount), ("lte", wanted.max_amount))
        if amount is not None
    }
    for field, limits in (("created_us", span), ("amount", amounts)):
        if limits:
            found.append({"range": {field: limits}})
    if wanted.q is not None:
        found.append(_says(wanted.q))
    return found


def _says(q: str) -> dict[str, Any]:
    words = searchable(q)
    by_words = [{"match": {field: {"query": words, "operator": "and"}}} for field in ("text", "text.en")]
    return {"bool": {"should": [*by_words, {"term": {"ids": q.strip().lower()}}], "minimum_should_match": 1}}
