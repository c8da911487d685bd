"""What callers read over HTTP, and what they are told where they may not."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres import tables
from infrastructure.postgres.consistency import encode
from infrastructure.postgres.engines import make_engine
from tests.queries.api_client import Caller, read_side
from tests.queries.books import NOW, Books

INTERNAL = "billing:internal"


@pytest.fixture(scope="module")
def books(engine: AsyncEngine) -> Books:
    return Books(engine)


@pytest.fixture(scope="module")
async def api(engine: AsyncEngine, valkey: EmbeddedValkey) -> AsyncIterator[Caller]:
    async with read_side(engine, valkey.url, NOW) as caller:
        yield caller


async def test_anybody_sees_the_plans_for_sale_at_the_price_that_holds_now(api: Caller, books: Books) -> None:
    plan = await books.plan("aa-sold", price=49900)
    await books.price(plan, 59900, NOW - timedelta(seconds=1))
    await books.price(plan, 69900, NOW + timedelta(seconds=1))
    await books.plan("aa-archived", archived_at=NOW)
    await books.plan("aa-hidden", available=False)
    offered = {one["code"]: one for one in (await api.json("/v1/plans?limit=100"))["items"]}
    assert offered["aa-sold"] == {
        "code": "aa-sold",
        "name": "Премиум",
        "description": "",
        "price": {"value": "599.00", "currency": "RUB"},
        "period": {"unit": "month", "count": 1},
        "trial_days": 0,
        "available": True,
    }
    assert not {"aa-archived", "aa-hidden"} & set(offered)
    everything = (await api.json("/internal/v1/plans?limit=100", "auth", INTERNAL))["items"]
    assert {"aa-archived", "aa-hidden"} <= {one["code"] for one in everything}


async def test_lists_are_walked_page_by_page_without_gaps_or_repeats(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan()
    made = [
        await books.subscription(user, plan, "canceled", created_at=NOW + timedelta(seconds=n // 2)) for n in range(7)
    ]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.json(f"/v1/subscriptions?limit=3{cursor}", user)
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 7
    assert set(seen) == {str(one) for one in made}


async def test_a_subscription_is_shown_to_its_owner_and_is_not_there_for_others(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan("bb-mine")
    method = await books.method(user)
    mine = await books.subscription(user, plan, payment_method_id=method, next_charge_at=NOW + timedelta(days=20))
    shown = await api.json(f"/v1/subscriptions/{mine}", user)
    assert shown["plan"]["price"] == {"value": "499.00", "currency": "RUB"}
    assert shown["payment_method"]["title"] == "Bank card *4444"
    assert shown["current_period"]["end"] == shown["next_charge_at"] == "2026-06-09T12:00:00.123456Z"
    for path in ("", "/events", "/refund-preview"):
        response = await api.get(f"/v1/subscriptions/{mine}{path}", uuid4())
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_events_tell_who_did_what_newest_first(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan()
    mine = await books.subscription(user, plan)
    async with books.engine.begin() as connection:
        for n, type_ in enumerate(("subscription.requested", "subscription.activated")):
            await connection.execute(
                insert(tables.events).values(
                    id=uuid4(),
                    at=NOW + timedelta(seconds=n),
                    type=type_,
                    user_id=user,
                    subscription_id=mine,
                    actor_kind="user",
                    actor_id=str(user),
                    data={"price": "499.00"},
                )
            )
    found = (await api.json(f"/v1/subscriptions/{mine}/events", user))["items"]
    assert [one["type"] for one in found] == ["subscription.activated", "subscription.requested"]
    assert found[0]["actor"] == {"kind": "user", "id": str(user)}
    assert found[0]["data"] == {"price": "499.00"}


async def test_a_refund_preview_returns_all_in_the_first_days_and_a_share_later(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan()
    mine = await books.subscription(user, plan)
    payment = await books.payment(user, mine, NOW - timedelta(days=1), period_end=NOW + timedelta(days=29))
    preview = await api.json(f"/v1/subscriptions/{mine}/refund-preview", user)
    assert preview == {
        "amount": {"value": "499.00", "currency": "RUB"},
        "full": True,
        "payment_id": str(payment),
        "credit_not_returned": {"value": "0.00", "currency": "RUB"},
    }
    await books.set(
        tables.payments, payment, period_start=NOW - timedelta(days=10), period_end=NOW + timedelta(days=20)
    )
    preview = await api.json(f"/v1/subscriptions/{mine}/refund-preview", user)
    assert preview["amount"]["value"] == "332.67"
    assert not preview["full"]


async def test_a_payment_by_itself_has_its_refunds_and_services_may_read_it(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan("cc-plan")
    mine = await books.subscription(user, plan)
    payment = await books.payment(user, mine, refunded=10000)
    refund = await books.refund(payment, 10000, reason="changed my mind")
    for reader, scope in ((user, ""), ("support", INTERNAL)):
        shown = await api.json(f"/v1/payments/{payment}", reader, scope)
        assert shown["plan"] == {"code": "cc-plan", "name": "Премиум"}
        assert shown["refunded"]["value"] == "100.00"
        assert shown["status_url"] == f"http://billing.test/v1/payments/{payment}"
        assert [one["id"] for one in shown["refunds"]] == [str(refund)]
        alone = await api.json(f"/v1/refunds/{refund}", reader, scope)
        assert alone == shown["refunds"][0]
    for path in (f"/v1/payments/{payment}", f"/v1/refunds/{refund}"):
        assert (await api.get(path, uuid4())).status_code == 404


async def test_removed_payment_methods_are_not_listed(api: Caller, books: Books) -> None:
    user = await books.person()
    kept = await books.method(user, is_default=True)
    await books.method(user, removed_at=NOW)
    found = (await api.json("/v1/payment-methods", user))["items"]
    assert [(one["id"], one["default"]) for one in found] == [(str(kept), True)]


async def test_payment_systems_are_read_by_services_without_their_settings(api: Caller, books: Books) -> None:
    found = await api.json("/internal/v1/payment-systems/yookassa", "support", INTERNAL)
    assert found == {"code": "yookassa", "name": "ЮKassa", "adapter": "yookassa", "enabled": True}
    assert found in (await api.json("/internal/v1/payment-systems", "support", INTERNAL))["items"]
    assert (await api.get("/internal/v1/payment-systems/none", "support", INTERNAL)).status_code == 404
    assert (await api.get("/internal/v1/plans/none", "support", INTERNAL)).status_code == 404


async def test_history_is_filtered_and_summed_by_the_months_of_the_person(api: Caller, books: Books) -> None:
    user, plan = await books.person(zone="Asia/Vladivostok"), await books.plan("dd-plan")
    mine = await books.subscription(user, plan)
    late = NOW.replace(month=1, day=31, hour=15)  # the first of February where the person lives
    await books.payment(user, mine, late, amount=100, refunded=40)
    await books.payment(user, mine, NOW, status="canceled")
    page = await api.json("/v1/payments?status=canceled&plan_code=dd-plan&min_amount=499.00&max_amount=499", user)
    assert len(page["items"]) == 1
    months = (await api.json("/v1/payments/summary?from=2026-02-01&to=2026-02-28", user))["items"]
    assert months == [
        {
            "month": "2026-02",
            "paid": {"value": "1.00", "currency": "RUB"},
            "refunded": {"value": "0.40", "currency": "RUB"},
            "count": 1,
        }
    ]


async def test_who_sends_a_token_reads_their_own_write_though_no_projector_runs(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan()
    mine = await books.subscription(user, plan)
    assert (await api.json("/v1/payments", user))["items"] == []
    assert (
        len((await api.json(f"/internal/v1/users/{user}/active-subscriptions", "auth", INTERNAL))["subscriptions"]) == 1
    )
    payment = await books.payment(user, mine)
    await books.set(tables.subscriptions, mine, status="canceled", ended_at=NOW)
    token = {"Consistency-Token": encode(*await books.changed(user, payments=(payment,), access=True))}
    assert (await api.json("/v1/payments", user))["items"] == []  # still the page of before
    shown = await api.json("/v1/payments", user, headers=token)
    assert [one["id"] for one in shown["items"]] == [str(payment)]
    access = await api.json(f"/internal/v1/users/{user}/active-subscriptions", "auth", INTERNAL, headers=token)
    assert access["subscriptions"] == []


async def test_claims_of_a_token_name_what_gives_access(api: Caller, books: Books) -> None:
    user, plan = await books.person(version=17), await books.plan("ee-plan")
    await books.subscription(user, plan)
    ends = int((NOW + timedelta(days=23)).timestamp())
    path = f"/internal/v1/users/{user}/token-claims"
    assert await api.json(path, "auth", INTERNAL) == {"subs": [["ee-plan", ends]], "sub_ver": 17}
    nobody = await api.json(f"/internal/v1/users/{uuid4()}/token-claims", "auth", INTERNAL)
    assert nobody == {"subs": [], "sub_ver": 0}


async def test_access_ends_by_the_services_clock_whatever_redis_still_holds(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan("ff-plan")
    await books.subscription(user, plan)
    path = f"/internal/v1/users/{user}/active-subscriptions"
    assert len((await api.json(path, "auth", INTERNAL))["subscriptions"]) == 1
    api.clock.time = NOW + timedelta(days=23)
    try:
        assert (await api.json(path, "auth", INTERNAL))["subscriptions"] == []
    finally:
        api.clock.time = NOW


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/payments?limit=0", "limit"),
        ("/v1/payments?limit=101", "limit"),
        ("/v1/payments?limit=x", "limit"),
        ("/v1/payments?status=paid", "status"),
        ("/v1/payments?cursor=AAAA", "cursor"),
        ("/v1/payments?cursor=%D0%B9", "cursor"),
        ("/v1/payments?color=red", "color"),
        ("/v1/payments?limit=1&limit=2", "limit"),
        ("/v1/payments?q=%00", "q"),
        ("/v1/payments?q=", "q"),
        ("/v1/payments?from=2026-02-30", "from"),
        ("/v1/payments?from=yesterday", "from"),
        ("/v1/payments?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/v1/payments?to=9999-12-31", "to"),
        ("/v1/payments?min_amount=1e3", "min_amount"),
        ("/v1/payments?max_amount=-1.00", "max_amount"),
        ("/v1/payments?max_amount=%D9%A3", "max_amount"),
        ("/v1/payments/42", "payment_id"),
        ("/v1/payments?%00=1", "?"),
    ],
)
async def test_what_is_not_valid_is_named(api: Caller, path: str, field: str) -> None:
    response = await api.get(path, uuid4())
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "validation_failed"), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert [one["field"] for one in problem["errors"]] == [field]
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_a_cursor_is_good_only_for_the_list_that_gave_it(api: Caller, books: Books) -> None:
    user, plan = await books.person(), await books.plan()
    mine = await books.subscription(user, plan)
    for n in range(3):
        await books.payment(user, mine, NOW - timedelta(days=n))
    cursor = (await api.json("/v1/payments?limit=1", user))["next_cursor"]
    assert len((await api.json(f"/v1/payments?limit=2&cursor={cursor}", user))["items"]) == 2
    altered = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for path, reader in (
        (f"/v1/payments?limit=1&cursor={altered}", user),
        (f"/v1/payments?limit=1&cursor={cursor}=", user),
        (f"/v1/payments?status=succeeded&cursor={cursor}", user),
        (f"/v1/payments?cursor={cursor}", uuid4()),
        (f"/v1/subscriptions?cursor={cursor}", user),
    ):
        assert (await api.get(path, reader)).status_code == 422


@pytest.mark.parametrize("token", ["x", "0-1", "5-4", "1042", "1042-", "-1", "1-99999999999999999999"])
@pytest.mark.parametrize("path", ["/v1/payments", "/v1/subscriptions"])
async def test_a_consistency_token_that_is_none_is_refused(api: Caller, path: str, token: str) -> None:
    response = await api.get(path, uuid4(), headers={"Consistency-Token": token})
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


async def test_the_token_is_judged_before_anything_else(api: Caller) -> None:
    for path in ("/v1/payments?limit=0", "/v1/payments/42", "/internal/v1/users/x/token-claims?a=b"):
        response = await api.get(path)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
        response = await api.get(path, headers={"Authorization": "Bearer x.y.z"})
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_scopes_are_needed_where_others_are_read(api: Caller) -> None:
    response = await api.get(f"/internal/v1/users/{uuid4()}/active-subscriptions?a=b", uuid4())
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert (await api.get("/v1/payments", "a-service", INTERNAL)).status_code == 403
    assert (await api.get("/internal/v1/plans", uuid4(), "billing:admin")).status_code == 200


async def test_unknown_addresses_and_methods_are_told_as_problems(api: Caller) -> None:
    response = await api.client.get("/v1/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    response = await api.client.post("/v1/plans")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    response = await api.client.post("/v1/plans", content=b"x" * (1024 * 1024 + 1))
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "path", ["/v1/plans/", "/v1/payments/", "/internal/v1/plans/premium/", "/v1/payments/summary/"]
)
async def test_an_address_with_a_slash_too_many_is_not_there_and_leads_nowhere(api: Caller, path: str) -> None:
    response = await api.get(path, uuid4(), "billing:admin", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"
    assert "location" not in response.headers


async def test_openapi_describes_every_route_and_the_problems(api: Caller) -> None:
    document: dict[str, Any] = json.loads((await api.client.get("/openapi.json")).content)
    assert "/v1/payments/summary" in document["paths"]
    assert "ProblemDocument" in document["components"]["schemas"]
    names = {one["name"] for one in document["paths"]["/v1/payments"]["get"]["parameters"]}
    assert {"status", "kind", "plan_code", "from", "to", "min_amount", "max_amount", "q", "limit", "cursor"} <= names


async def test_without_postgres_the_answer_is_503_and_when_to_come_back(valkey: EmbeddedValkey) -> None:
    nowhere = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    async with read_side(nowhere, valkey.url, NOW) as api:
        for path in ("/v1/payments", "/v1/subscriptions", "/v1/payments?status=pending", "/v1/plans"):
            response = await api.get(path, UUID(int=7))
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert int(response.headers["retry-after"]) > 0
    await nowhere.dispose()


def _two_addresses_that_refuse(*_: object, **__: object) -> list[tuple[object, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 1)) for host in ("127.0.0.1", "127.0.0.2")]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two-addresses.test"])
async def test_a_postgres_whose_name_leads_nowhere_is_away_too(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """While a name server is away, and while none of a name's addresses answers."""
    if host == "two-addresses.test":
        monkeypatch.setattr(socket, "getaddrinfo", _two_addresses_that_refuse)
    nowhere = make_engine(f"postgresql://nobody@{host}:1/none", {})
    async with read_side(nowhere, "redis://127.0.0.1:1/0", NOW) as api:
        response = await api.get("/v1/plans")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    await nowhere.dispose()
