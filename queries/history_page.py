"""A page of payment history as it leaves the service: items that are finished JSON, spliced, never read again."""

from __future__ import annotations

from uuid import UUID

from domain.payment_history import HistoryFilter, HistoryPage, Position
from infrastructure.json_text import dump
from queries.cursor import read_position, write_position


def finished_page(user_id: UUID, wanted: HistoryFilter, page: HistoryPage) -> bytes:
    """`{"items": […], "next_cursor": …}`."""
    cursor = None if page.next is None else write_position(_listed(user_id, wanted), page.next)
    return b'{"items":[' + b",".join(page.items) + b'],"next_cursor":' + dump(cursor) + b"}"


def position_of(user_id: UUID, wanted: HistoryFilter, cursor: str | None) -> Position | None:
    """Where a cursor of this history with these filters points; raises Problem (422)."""
    return read_position(_listed(user_id, wanted), cursor)


def _listed(user_id: UUID, wanted: HistoryFilter) -> str:
    return f"payments {user_id} {wanted!r}"
