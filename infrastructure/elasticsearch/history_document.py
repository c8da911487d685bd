"""A payment as Elasticsearch keeps it: what is searched, and beside it the finished JSON that callers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.payment_history import searchable
from infrastructure.json_text import dump
from infrastructure.postgres.documents import payment_document

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)

MAPPING: Final[Mapping[str, Any]] = {
    "dynamic": "strict",
    "_routing": {"required": True},
    "properties": {
        "id": {"type": "keyword"},
        "user_id": {"type": "keyword"},
        "created_at": {"type": "date"},  # milliseconds, for the months of the summary
        "created_us": {"type": "long"},  # microseconds, for order and spans
        "status": {"type": "keyword"},
        "kind": {"type": "keyword"},
        "plan_code": {"type": "keyword"},
        "amount": {"type": "long"},
        "refunded": {"type": "long"},
        "currency": {"type": "keyword"},
        "ids": {"type": "keyword"},
        "text": {"type": "text", "analyzer": "russian", "fields": {"en": {"type": "text", "analyzer": "english"}}},
        # A text that nobody parses: the reader splices it into its answer.
        "document": {"type": "object", "enabled": False},
    },
}


@dataclass(frozen=True, slots=True)
class HistoryDocument:
    """`version`: the payment's, by which late writers lose; `month`: "2026-01", of its index; `body`: JSON."""

    id: UUID
    user_id: UUID
    version: int
    month: str
    body: bytes


def history_document(row: Mapping[Any, Any], base_url: str) -> HistoryDocument:
    """From a row of documents.payment_rows."""
    created_at: datetime = row["created_at"].astimezone(UTC)
    said = (
        *(row["description"], row["plan_name"], row["plan_code"]),
        *(row["method_title"], row["method_kind"], row["method_last4"]),
    )
    provider_id = row["provider_payment_id"]
    body = {
        "id": str(row["id"]),
        "user_id": str(row["user_id"]),
        "created_at": microseconds(created_at) // 1000,
        "created_us": microseconds(created_at),
        "status": row["status"],
        "kind": row["kind"],
        "plan_code": row["plan_code"],
        "amount": row["amount"],
        "refunded": row["refunded"],
        "currency": row["currency"],
        "ids": [str(row["id"]), *([provider_id.lower()] if provider_id else [])],
        "text": searchable(" ".join(part for part in said if part)),
        "document": dump(payment_document(row, base_url)).decode(),
    }
    return HistoryDocument(row["id"], row["user_id"], row["version"], created_at.strftime("%Y-%m"), dump(body))


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // _INSTANT
