"""Pages of objects, newest first."""

from __future__ import annotations

from collections.abc import Mapping

from infrastructure.simulators.yookassa.instants import parsed
from infrastructure.simulators.yookassa.problems import Problem, invalid
from infrastructure.simulators.yookassa.records import Payment, Refund
from infrastructure.simulators.yookassa.store import Shelf

_COMPARISONS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
_STATUSES = {
    Payment: {"pending", "waiting_for_capture", "succeeded", "canceled"},
    Refund: {"pending", "succeeded", "canceled"},
}


def page(
    shelf: Shelf[Payment] | Shelf[Refund], kind: type[Payment] | type[Refund], query: Mapping[str, str]
) -> tuple[list[Payment | Refund], str | None]:
    """One page and the cursor of the next; raises Problem for a wrong filter."""
    conditions, values = ["1 = 1"], list[object]()
    times = ("created_at", "captured_at") if kind is Payment else ("created_at",)
    for name in times:
        for word, sign in _COMPARISONS.items():
            text = query.get(f"{name}.{word}")
            if text is not None:
                conditions.append(f"{name.removesuffix('_at')}_ms {sign} ?")
                values.append(_time(f"{name}.{word}", text))
    status = query.get("status")
    if status is not None:
        if status not in _STATUSES[kind]:
            raise invalid("status", "Status is illegal")
        conditions.append("status = ?")
        values.append(status)
    if kind is Refund and "payment_id" in query:
        conditions.append("parent = ?")
        values.append(query["payment_id"])
    if kind is Payment and query.get("payment_method", "bank_card") != "bank_card":
        conditions.append("1 = 0")
    cursor = query.get("cursor")
    if cursor is not None:
        conditions.append("(created_ms, seq) < (?, ?)")
        values.extend(_place(cursor))
    limit = _limit(query.get("limit", "10"))
    order = f"{' AND '.join(conditions)} ORDER BY created_ms DESC, seq DESC LIMIT ?"
    found: list[Payment | Refund] = list(shelf.where(order, *values, limit + 1))
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], f"{last.created_ms:x}-{last.seq:x}"


def _time(name: str, text: str) -> int:
    try:
        return parsed(text.replace(" ", "+"))  # a plus sign that nobody escaped
    except (ValueError, OverflowError):
        raise invalid(name, "Time must be in ISO 8601 with a time zone") from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= 100):
        raise invalid("limit", "Limit must be between 1 and 100")
    return int(text)


def _place(cursor: str) -> tuple[int, int]:
    problem: Problem = invalid("cursor", "Cursor is illegal")
    created, dash, seq = cursor.partition("-")
    if not dash or len(cursor) > 40:
        raise problem
    try:
        return int(created, 16), int(seq, 16)
    except ValueError:
        raise problem from None
