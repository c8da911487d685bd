"""A body that is refused is told what was expected, never what it said: that may be a card number."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from infrastructure.postgres.tables import inbox
from tests.scenarios.cinema import Cinema

CARD = "4111111111111111"
SALE = {"plan_code": "premium", "price": {"value": "499.00", "currency": "RUB"}}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({**SALE, "payment": {"type": CARD}}, "payment", "Input should be one of 'redirect', 'token', 'saved', 'card'"),
        (
            {**SALE, "payment": {"type": "saved", "payment_method_id": CARD}},
            "payment.payment_method_id",
            "Input should be a valid UUID",
        ),
        (
            {**SALE, "payment": {"type": "saved", "payment_method_id": f"{CARD}§"}},
            "payment.payment_method_id",
            None,
        ),
        ({**SALE, "payment": CARD}, "payment", None),
        ({**SALE, "payment": {"type": [CARD]}}, "payment", None),
        ({**SALE, "plan_code": f"{CARD} "}, "plan_code", None),
        ({**SALE, "price": {"value": CARD, "currency": CARD}}, "price.value", None),
        ({**SALE, "payment": {"type": "redirect", "return_url": CARD}}, "payment.return_url", None),
    ],
)
async def test_a_card_number_in_a_wrong_place_is_not_repeated(
    cinema: Cinema, body: dict[str, Any], field: str, message: str | None
) -> None:
    anna = await cinema.person()
    reply = await anna.posts("/v1/subscriptions", {"payment": {"type": "card"}, **body})
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert CARD not in reply.text
    told = {one["field"]: one["message"] for one in reply.json()["errors"]}
    assert field in told
    assert told[field] == (message or told[field])


@pytest.mark.parametrize(
    "address",
    ["https://", "https:///back", "https://[", "http://cinema.example\x07", "https://\x7f", "https://cinema.example:0",
     "https://cinema.example:abc", "https://cinema.example/<script>", "https://кино.рф", "javascript:alert(1)"],
)  # fmt: skip
async def test_nobody_is_sold_anything_that_leads_back_to_no_address(cinema: Cinema, address: str) -> None:
    anna = await cinema.person()
    body = {**SALE, "payment": {"type": "redirect", "return_url": address}}

    reply = await anna.posts("/v1/subscriptions", body)

    assert reply.status_code == 422
    assert [one["field"] for one in reply.json()["errors"]] == ["payment.return_url"]
    assert await anna.payments() == []


async def test_of_an_unreadable_uuid_no_letter_is_repeated(cinema: Cinema) -> None:
    reply = await cinema.as_admin("POST", "/internal/v1/renewals", {"subscription_id": "ж" * 36})
    assert "ж" not in reply.text
    assert reply.json()["errors"] == [{"field": "subscription_id", "message": "Input should be a valid UUID"}]


async def test_a_caller_who_hangs_up_is_no_failure_of_ours(cinema: Cinema) -> None:
    """Half a body was a 500 with a traceback: a flaky phone, or anybody, filled the log and the figures."""
    app = cinema.api._transport.app  # type: ignore[attr-defined] # httpx's, over ASGI
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/yookassa",
        "raw_path": b"/webhooks/yookassa",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
        "client": ("127.0.0.1", 1),
        "server": ("billing", 80),
    }
    heard: list[dict[str, Any]] = [{"type": "http.request", "body": b"{", "more_body": True}]
    said = iter([*heard, {"type": "http.disconnect"}])
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(said)

    async def send(message: Any) -> None:
        answers.append(message)

    with capture_logs() as logs:
        await app(scope, receive, send)
    assert answers == []
    assert [line["event"] for line in logs] == ["request_broken_off"]


async def test_names_of_any_length_are_told_as_far_as_anybody_reads_them(cinema: Cinema) -> None:
    reply = await (await cinema.person()).posts("/v1/cards", {"n" * 500_000: 1})
    assert reply.status_code == 422
    assert "n" * 100 in {one["field"] for one in reply.json()["errors"]}
    assert len(reply.content) < 2000
    deep = await (await cinema.person()).posts("/v1/cards", {"a" * 1000: {"b": "\0"}})
    assert [one["field"] for one in deep.json()["errors"]] == ["a" * 100]


async def test_twenty_errors_are_listed_and_the_others_counted(cinema: Cinema) -> None:
    reply = await (await cinema.person()).posts("/v1/cards", {f"x{number}": 1 for number in range(50)})
    problem = reply.json()
    assert (reply.status_code, len(problem["errors"])) == (422, 20)
    assert problem["detail"] == "What was sent is not valid. 33 more errors are not listed."  # three are missing


@pytest.mark.parametrize(
    "body",
    [
        {f"name{number}": 1 for number in range(60_000)},
        {"payment": {f"name{number}": 1 for number in range(60_000)}},
        {"payment": [1] * 200_000},
        {"payment": [{"a": [1] * 150}] * 1000},
    ],
    ids=["names", "names inside", "values", "values of values"],
)
async def test_a_body_of_very_many_names_is_refused_before_anything_is_made_of_it(
    cinema: Cinema, body: dict[str, Any]
) -> None:
    reply = await (await cinema.person()).posts("/v1/subscriptions", body)
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert reply.json()["detail"] == "The body holds more than 200 names and values."
    assert len(reply.content) < 500


async def test_a_notification_may_hold_as_much_as_a_payment_system_has_to_say(cinema: Cinema) -> None:
    """Whatever was put into a receipt comes along; how many names a caller may send is no matter of theirs."""
    goods = [{"description": f"part {number}", "quantity": "1.00", "vat_code": 1} for number in range(300)]
    payment = {"id": "long-receipt", "metadata": {f"key{n}": "x" for n in range(100)}, "receipt": {"items": goods}}
    body = {"type": "notification", "event": "payment.succeeded", "object": payment}
    assert (await cinema.api.post("/webhooks/yookassa", json=body)).status_code == 200
    async with cinema.service.engine.connect() as connection:
        stored = await connection.scalar(select(inbox.c.event).where(inbox.c.provider_object_id == "long-receipt"))
    assert stored == "payment.succeeded"


@pytest.mark.parametrize("said", ["off", "false", "true", "yes", 0, 1, 1.0, "1", None])
async def test_only_true_and_false_say_true_and_false(cinema: Cinema, said: object) -> None:
    anna = await cinema.person()
    plan = {"code": "flagged", "name": "Flagged", "price": SALE["price"], "period": {"unit": "month", "count": 1}}
    system = {"code": "flagged", "name": "Flagged", "adapter": "imitation"}
    method = "/v1/payment-methods/0190a8e2-7c11-7d55-8f00-2b1de4ad8a11"
    replies = [
        await cinema.as_admin("POST", "/internal/v1/payment-systems", {**system, "enabled": said}),
        await cinema.as_admin("POST", "/internal/v1/plans", {**plan, "available": said}),
        await cinema.as_admin("POST", "/internal/v1/renewals", {"subscription_id": method[-36:], "early": said}),
        await cinema.api.patch(
            method, json={"default": said}, headers={"Authorization": f"Bearer {anna.token}", "Idempotency-Key": "k"}
        ),
    ]
    if said is not None:  # to a change it says that nothing is said
        replies += [
            await cinema.as_admin("PATCH", "/internal/v1/payment-systems/yookassa", {"enabled": said}),
            await cinema.as_admin("PATCH", "/internal/v1/plans/premium", {"available": said}),
        ]
    fields = ["enabled", "available", "early", "default", "enabled", "available"]
    assert [one.status_code for one in replies] == [422] * len(replies)
    assert [one.json()["errors"][0]["field"] for one in replies] == fields[: len(replies)]
