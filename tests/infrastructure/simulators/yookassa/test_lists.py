"""Lists are paged newest first, complete and without repetition."""

from __future__ import annotations

import pytest

from tests.infrastructure.simulators.yookassa.shop import NO_MONEY, SUCCEEDS, HandClock, Shop, ok


async def test_pages_follow_each_other_newest_first(shop: Shop, clock: HandClock) -> None:
    made = []
    for number in range(7):
        made.append((await shop.pay())["id"])
        clock.advance(seconds=number % 2)  # some within the same instant
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await shop.get("/payments", limit="3", **cursor))
        seen += [payment["id"] for payment in page["items"]]
        assert len(page["items"]) <= 3
        if "next_cursor" not in page:
            break
        await shop.pay()  # newer ones do not move what is paged through
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made[::-1]


async def test_filters_by_time_include_and_exclude_their_ends(shop: Shop, clock: HandClock) -> None:
    first = await shop.pay()
    clock.advance(milliseconds=1)
    second = await shop.pay()

    async def found(**query: str) -> list[str]:
        items = ok(await shop.get("/payments", **{f"created_at.{word}": text for word, text in query.items()}))["items"]
        return [payment["id"] for payment in items]

    assert await found(gte=first["created_at"], lt=second["created_at"]) == [first["id"]]
    assert await found(gt=first["created_at"], lte=second["created_at"]) == [second["id"]]
    assert await found(gte=first["created_at"], lte=second["created_at"]) == [second["id"], first["id"]]
    assert await found(gte="2026-07-01T15:00:00.001+03:00") == [second["id"]]


async def test_filters_by_status_and_capture(shop: Shop, clock: HandClock) -> None:
    paid, declined = await shop.pay_with(SUCCEEDS), await shop.pay_with(NO_MONEY)
    items = ok(await shop.get("/payments", status="canceled"))["items"]
    assert [payment["id"] for payment in items] == [declined["id"]]
    items = ok(await shop.get("/payments", **{"captured_at.gte": paid["captured_at"]}))["items"]
    assert [payment["id"] for payment in items] == [paid["id"]]
    assert ok(await shop.get("/payments", payment_method="sbp"))["items"] == []


async def test_refunds_are_listed_by_payment_and_status(shop: Shop) -> None:
    one, other = await shop.pay_with(SUCCEEDS), await shop.pay_with(SUCCEEDS)
    refund = ok(await shop.refund(one["id"], "1.00"))
    await shop.refund(other["id"], "1.00")
    assert [each["id"] for each in ok(await shop.get("/refunds", payment_id=one["id"]))["items"]] == [refund["id"]]
    assert len(ok(await shop.get("/refunds", status="succeeded"))["items"]) == 2
    assert ok(await shop.get("/refunds", status="pending"))["items"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "x"),
        ("cursor", "nonsense"),
        ("cursor", "-"),
        ("status", "paid"),
        ("created_at.gte", "yesterday"),
        ("created_at.gte", "2026-07-01T12:00:00"),
    ],
)
async def test_a_wrong_filter_is_refused(shop: Shop, name: str, value: str) -> None:
    answer = await shop.get("/payments", **{name: value})
    assert (answer.status_code, answer.json()["parameter"]) == (400, name)
