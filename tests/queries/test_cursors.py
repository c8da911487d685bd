"""A cursor with a right seal may still say anything: whoever has the source can make one."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.payment_history import HistoryFilter, Position
from infrastructure.http.problems import Problem
from infrastructure.local.valkey import EmbeddedValkey
from queries import cursor as cursors
from tests.queries.api_client import Caller, read_side
from tests.queries.books import NOW, Books

_ID = "0190a8e27c117d558f002b1de4ad8a11"
_SHAPES = (
    *("", "x", "1", "null", "true", "{}", "[]", "[1]", '["a"]x', "[[]]", "[null]", "[1.5]", "[NaN]", '"ab"', "[1,2,3]"),
    *(
        '["\\u0000"]',
        '["\\ud800"]',
        "[" * 300,
        "[" * 150 + "]" * 150,
        "9" * 300,
        '{"0":1}',
        "\xff",
        "[" + "9" * 300 + "]",
    ),
    *(f'[{time},"{_ID}"]' for time in ("1e30", "-1e30", "9" * 40, "-" + "9" * 20, "1.0", "NaN", "true", "null", '"1"')),
    *(
        f"[0,{id_}]"
        for id_ in ('"00"', '""', "0", "null", f'"{_ID.upper()}"', f'"{{{_ID}}}"', f'"{_ID}",1', f'["{_ID}"]')
    ),
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(_ID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _sealed(listed: str, text: bytes) -> str:
    return base64.urlsafe_b64encode(cursors._seal(listed, text) + text).decode().rstrip("=")


@pytest.fixture(scope="module")
async def api(engine: AsyncEngine, valkey: EmbeddedValkey) -> AsyncIterator[Caller]:
    async with read_side(engine, valkey.url, NOW) as caller:
        yield caller


async def test_no_list_takes_a_cursor_that_says_what_no_list_says(api: Caller, engine: AsyncEngine) -> None:
    books = Books(engine)
    user = await books.person()
    subscription = await books.subscription(user, await books.plan())
    lists = {
        "/v1/payments": f"payments {user} {HistoryFilter()!r}",
        "/v1/subscriptions": f"subscriptions {user}",
        "/v1/subscriptions/{subscription_id}/events": f"events {subscription}",
        "/v1/payment-methods": f"payment methods {user}",
        "/v1/cards": f"cards {user}",
        "/v1/plans": "plans",
        "/internal/v1/plans": "all plans",
        "/internal/v1/payment-systems": "payment systems",
        "/internal/v1/notifications": "notifications None",
    }
    paths: dict[str, Any] = (await api.client.get("/openapi.json")).json()["paths"]
    with_cursor = {
        path for path, calls in paths.items() if "cursor" in {one["name"] for one in calls["get"].get("parameters", ())}
    }
    assert set(lists) == with_cursor, "every list is tried"
    for path, listed in lists.items():
        address = path.replace("{subscription_id}", str(subscription))
        for shape in _SHAPES:
            sealed = _sealed(listed, shape.encode("latin-1"))
            response = await api.get(f"{address}?cursor={sealed}", user, "billing:internal")
            assert response.status_code == 422, (path, shape, response.text)
            assert response.json()["errors"] == [{"field": "cursor", "message": "is not one that this list gave"}]


async def test_the_first_and_the_last_moment_of_the_calendar_are_places_in_a_list(api: Caller) -> None:
    user = uuid4()
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        for path, listed in (("payments", f"payments {user} {HistoryFilter()!r}"), ("cards", f"cards {user}")):
            cursor = cursors.write_position(listed, Position(at, user))
            assert (await api.json(f"/v1/{path}?cursor={cursor}", user))["items"] == []


@given(_ANYTHING | st.tuples(_ANYTHING) | st.tuples(_ANYTHING, _ANYTHING))
def test_what_a_cursor_says_is_read_as_it_would_be_written_or_not_at_all(said: Any) -> None:
    cursor = _sealed("list", json.dumps(said, separators=(",", ":")).encode())
    with suppress(Problem):
        position = cursors.read_position("list", cursor)
        assert position is not None
        assert cursors.write_position("list", position) == cursor
    with suppress(Problem):
        assert cursors.write_code("list", cursors.read_code("list", cursor)) == cursor
