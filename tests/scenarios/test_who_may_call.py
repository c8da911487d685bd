"""Who is not who they say is refused, with a problem that says so, and nothing changes."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import pytest

from infrastructure.simulators.auth.signing import issue_token
from tests.scenarios.cinema import Cinema, key_pair


def _unsigned(user_id: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': user_id, 'exp': 4102444800})}."


@pytest.mark.parametrize("kind", ["none", "other key", "expired", "absent", "alg none"])
async def test_a_token_that_auth_did_not_give_is_refused(cinema: Cinema, kind: str) -> None:
    user_id = str(uuid4())
    foreign, _ = key_pair("a stranger's")
    token = {
        "none": "nonsense",
        "other key": issue_token(foreign, sub=user_id, ttl_s=3600),
        "expired": issue_token(cinema.private_key, sub=user_id, ttl_s=-120),
        "absent": "",
        "alg none": _unsigned(user_id),
    }[kind]
    headers = {"Idempotency-Key": "k"} | ({"Authorization": f"Bearer {token}"} if token else {})

    reply = await cinema.api.post("/v1/subscriptions", json={"nonsense": 1}, headers=headers)

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_persons_token_opens_nothing_internal(cinema: Cinema) -> None:
    anna = await cinema.person()

    for path in ("/internal/v1/plans", "/internal/v1/refunds", "/internal/v1/payments"):
        reply = await anna.posts(path, {})
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")


async def test_the_checks_come_in_order_token_key_body_object(cinema: Cinema) -> None:
    boris = await cinema.person()
    bearer = {"Authorization": f"Bearer {boris.token}"}
    path = f"/v1/subscriptions/{uuid4()}/payments"
    body = {"payment": {"type": "redirect", "return_url": "https://cinema.example"}}

    assert (await cinema.api.post(path, json={"x": 1})).json()["code"] == "unauthorized"
    assert (await cinema.api.post(path, json={"x": 1}, headers=bearer)).json()["code"] == "idempotency_key_required"
    for odd_query, odd_header in (("?x=1", {}), ("", {"Consistency-Token": "junk"})):
        reply = await cinema.api.post(path + odd_query, json=body, headers=bearer | odd_header)
        assert reply.json()["code"] == "idempotency_key_required"
    keyed = bearer | {"Idempotency-Key": "k"}
    assert (await cinema.api.post(path, json={"x": 1}, headers=keyed)).json()["code"] == "validation_failed"
    assert (await cinema.api.post(path, json=body, headers=keyed)).json()["code"] == "not_found"


async def test_someone_elses_subscription_is_not_found(cinema: Cinema) -> None:
    vera, gleb = await cinema.person(), await cinema.person()
    sale = (await vera.subscribes("premium", "499.00")).json()

    reply = await gleb.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "now"})

    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert (await vera.subscription())["status"] == "active"


async def test_two_authorizations_are_none(cinema: Cinema) -> None:
    """Whoever stands before the service may have read the other one."""
    anna, boris = await cinema.person(), await cinema.person()
    headers = [("Authorization", f"Bearer {anna.token}"), ("Authorization", f"Bearer {boris.token}")]
    reply = await cinema.api.get("/v1/subscriptions", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
