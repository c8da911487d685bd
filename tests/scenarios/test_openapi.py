"""/openapi.json says of each call what it takes and answers, and the answers are as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.scenarios.cinema import Cinema

Document = dict[str, Any]
PUBLIC = {("get", "/v1/plans"), ("post", "/webhooks/{payment_system}")}
COMMANDS = {
    "post /v1/subscriptions": {201, 202},
    "post /v1/subscriptions/{subscription_id}/payments": {200, 201, 202},
    "post /v1/subscriptions/{subscription_id}/cancel": {200},
    "post /v1/subscriptions/{subscription_id}/resume": {200},
    "post /v1/subscriptions/{subscription_id}/change-plan": {200, 201, 202},
    "post /v1/subscriptions/{subscription_id}/refunds": {202},
    "post /v1/cards": {200, 201},
    "delete /v1/cards/{card_id}": {204},
    "patch /v1/payment-methods/{payment_method_id}": {200},
    "delete /v1/payment-methods/{payment_method_id}": {200},
    "post /internal/v1/renewals": {200, 202},
    "post /internal/v1/payments": {200, 201, 202},
    "post /internal/v1/refunds": {202},
    "post /internal/v1/subscriptions/{subscription_id}/external-payments": {200, 201},
    "post /internal/v1/subscriptions/{subscription_id}/external-refunds": {200, 201},
    "post /internal/v1/subscriptions/{subscription_id}/cancel": {200},
    "post /internal/v1/notifications/{entry_id}/replay": {202},
    "post /internal/v1/cases/{case_id}/resolve": {200},
    "delete /internal/v1/users/{user_id}/personal-data": {202},
    "post /internal/v1/plans": {201},
    "patch /internal/v1/plans/{code}": {200},
    "delete /internal/v1/plans/{code}": {200, 204},
    "post /internal/v1/payment-systems": {201},
    "patch /internal/v1/payment-systems/{code}": {200},
    "delete /internal/v1/payment-systems/{code}": {200, 204},
}
NAMES_AN_OBJECT = {"/v1/subscriptions", "/internal/v1/renewals", "/internal/v1/payments", "/internal/v1/refunds"}
"""In its body, and may be told that it is not there."""
A_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


@pytest.fixture
async def document(cinema: Cinema) -> Document:
    found: Document = (await cinema.api.get("/openapi.json")).json()
    return found


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, calls in document["paths"].items():
        for method, operation in calls.items():
            yield method, path, operation


async def test_every_call_with_a_token_says_so(document: Document) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for method, path, operation in _operations(document):
        needs_token = (method, path) not in PUBLIC
        assert operation.get("security") == ([{"bearer": []}] if needs_token else None), path
        assert ("401" in operation["responses"]) == needs_token, path


async def test_every_error_is_a_problem_and_what_is_named_is_there(document: Document) -> None:
    for method, path, operation in _operations(document):
        problems = {status: one for status, one in operation["responses"].items() if int(status) >= 400}
        assert {"422", "503"} <= set(problems), (method, path)
        assert all(one["content"] == A_PROBLEM for one in problems.values()), (method, path)
        told_when = {status for status, one in problems.items() if "Retry-After" in one.get("headers", {})}
        assert told_when == {"409", "503"} & set(problems), (method, path)
    schemas = document["components"]["schemas"]
    named = json.dumps(document).split('"#/components/schemas/')[1:]
    assert {one.partition('"')[0] for one in named} <= set(schemas)
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


async def test_every_command_says_its_key_its_problems_and_what_its_reply_carries(document: Document) -> None:
    found = {f"{method} {path}": one for method, path, one in _operations(document) if method != "get"}
    del found["post /webhooks/{payment_system}"]
    assert set(found) == set(COMMANDS)
    for name, operation in found.items():
        keys = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
        assert [(one["in"], one["required"]) for one in keys] == [("header", True)], name
        replies = {int(status): one for status, one in operation["responses"].items() if int(status) < 400}
        assert set(replies) == COMMANDS[name], name
        for status, reply in replies.items():
            assert set(reply["headers"]) == {"Consistency-Token", "Idempotency-Replayed"}, name
            assert ("content" in reply) == (status != 204), name
            assert status == 204 or "$ref" in reply["content"]["application/json"]["schema"], name
        problems = {int(status) for status in operation["responses"]} - set(replies)
        by_body = {413, 415} if "requestBody" in operation else set()
        by_object = {404} if "{" in name or name.split()[1] in NAMES_AN_OBJECT else set()
        assert problems == {400, 401, 403, 409, 422, 503} | by_body | by_object, name


async def test_a_notification_is_answered_without_a_body(document: Document) -> None:
    operation = document["paths"]["/webhooks/{payment_system}"]["post"]
    assert "content" not in operation["responses"]["200"]
    assert {"403", "404", "413", "422", "503"} == set(operation["responses"]) - {"200"}


class Described:
    """Holds each answer against the document."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def holds(self, template: str, reply: httpx.Response) -> Any:
        described = self._document["paths"][template][reply.request.method.lower()]["responses"]
        answer = described[str(reply.status_code)]
        if reply.status_code == 204:
            assert reply.content == b""
            return None
        schema = answer["content"][reply.headers["content-type"]]["schema"]
        Draft202012Validator({**schema, "components": self._document["components"]}).validate(reply.json())
        return reply.json()


async def test_what_is_answered_is_what_is_described(cinema: Cinema, document: Document) -> None:
    anna, told = await cinema.person(), Described(document).holds
    plans, cards = "/internal/v1/plans", "/v1/cards"
    price, period = {"value": "499.00", "currency": "RUB"}, {"unit": "month", "count": 1}
    for code, kept in (("described", 200), ("other", 204)):
        plan = {"code": code, "name": "Described", "price": price, "period": period}
        told(plans, await cinema.as_admin("POST", plans, plan))
        told(f"{plans}/{{code}}", await cinema.as_admin("PATCH", f"{plans}/{code}", {"name": "Told"}))
        if code == "described":
            told("/v1/subscriptions", await anna.subscribes("other", "499.00"))
            sale = told("/v1/subscriptions", await anna.subscribes(code, "499.00"))
        gone = await cinema.as_admin("DELETE", f"{plans}/{code}")
        assert gone.status_code == kept
        told(f"{plans}/{{code}}", gone)
    card = {"number": "2200000000000004", "exp_month": 12, "exp_year": 2030}
    stored = told(cards, await anna.posts(cards, card))
    told(cards, await anna.posts(cards, {**card, "exp_year": 2031}))
    address = f"{cards}/{stored['id']}"
    headers = {"Authorization": f"Bearer {anna.token}", "Idempotency-Key": "away"}
    told(f"{cards}/{{card_id}}", await cinema.api.delete(address, headers=headers))

    templates = "/v1/subscriptions/{subscription_id}"
    mine = f"/v1/subscriptions/{sale['subscription']['id']}"
    told(f"{templates}/payments", await anna.posts(f"{mine}/payments", {}))  # refused by its form
    told(f"{templates}/cancel", await anna.posts(f"{mine}/cancel"))
    told(f"{templates}/resume", await anna.posts(f"{mine}/resume"))
    told(f"{templates}/change-plan", await anna.posts(f"{mine}/change-plan", {"plan_code": "none", "price": price}))
    method = sale["payment"]["payment_method"]["id"]
    changed = await cinema.api.patch(
        f"/v1/payment-methods/{method}", json={"default": True}, headers={**headers, "Idempotency-Key": "first"}
    )
    told("/v1/payment-methods/{payment_method_id}", changed)
    told(f"{templates}/refunds", await anna.posts(f"{mine}/refunds"))
    told(f"{templates}/refunds", await anna.posts(f"{mine}/refunds"))
    removed = await cinema.api.delete(f"/v1/payment-methods/{method}", headers={**headers, "Idempotency-Key": "last"})
    told("/v1/payment-methods/{payment_method_id}", removed)
    told(
        "/internal/v1/renewals",
        await cinema.as_service("POST", "/internal/v1/renewals", {"subscription_id": mine[-36:]}),
    )
    erased = await cinema.as_service("DELETE", f"/internal/v1/users/{anna.id}/personal-data")
    told("/internal/v1/users/{user_id}/personal-data", erased)
    told("/v1/subscriptions", await cinema.api.post("/v1/subscriptions", json={}))
