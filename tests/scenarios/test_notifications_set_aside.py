"""A notification that could not be followed is set aside with its reason, listed, and followed again when asked."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from infrastructure.postgres.tables import inbox
from tests.scenarios.cinema import GOOD_CARD, Cinema


async def _tries(cinema: Cinema, *, older_by: timedelta = timedelta(0)) -> None:
    """All there are, one after the other."""
    for _ in range(20):
        await cinema.notifications_fall_due(older_by=older_by)
        if not await cinema.sweeps.inbox():
            return


async def _status(cinema: Cinema, object_id: str) -> tuple[str, int, str]:
    async with cinema.service.engine.connect() as connection:
        query = select(inbox.c.status, inbox.c.attempts, inbox.c.outcome)
        row = (await connection.execute(query.where(inbox.c.provider_object_id == object_id))).one()
    return row.status, row.attempts, row.outcome.partition(":")[0]


async def _listed(cinema: Cinema, status: str = "set_aside") -> list[dict[str, Any]]:
    reply = await cinema.as_service("GET", f"/internal/v1/notifications?status={status}&limit=100")
    assert reply.status_code == 200, reply.text
    assert "Confidential" not in reply.text
    return list(reply.json()["items"])


async def test_one_that_was_set_aside_is_listed_without_its_body_and_followed_again(cinema: Cinema) -> None:
    object_id = uuid4().hex
    theirs = {"id": object_id, "description": "Confidential"}
    told = {"type": "notification", "event": "payment.succeeded", "object": theirs}
    await cinema.yookassa.outage("refuse")
    await cinema.api.post("/webhooks/yookassa", json=told)
    await _tries(cinema, older_by=timedelta(days=3))
    await cinema.yookassa.lift()

    [entry] = [one for one in await _listed(cinema) if one["provider_object_id"] == object_id]
    assert (entry["payment_system"], entry["event"], entry["attempts"]) == ("yookassa", "payment.succeeded", 12)
    assert entry["outcome"].startswith("silence")

    key = uuid4().hex
    reply = await cinema.as_admin("POST", f"/internal/v1/notifications/{entry['id']}/replay", key=key)
    assert reply.status_code == 202, reply.text
    assert (reply.json()["notification"]["status"], reply.json()["notification"]["attempts"]) == ("new", 0)
    assert "Confidential" not in reply.text
    again = await cinema.as_admin("POST", f"/internal/v1/notifications/{entry['id']}/replay", key=key)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (reply.content, "true")
    waiting = await cinema.as_admin("POST", f"/internal/v1/notifications/{entry['id']}/replay")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "not_set_aside")

    await cinema.works()
    async with cinema.service.engine.connect() as connection:
        outcome = select(inbox.c.outcome).where(inbox.c.id == entry["id"])
        assert (await connection.execute(outcome)).scalar_one().startswith("forged")
    assert entry["id"] not in {one["id"] for one in await _listed(cinema)}


async def test_an_outage_of_the_payment_system_sets_no_notification_aside(cinema: Cinema) -> None:
    object_id = uuid4().hex
    told = {"type": "notification", "event": "refund.succeeded", "object": {"id": object_id}}
    await cinema.yookassa.outage("refuse")
    await cinema.api.post("/webhooks/yookassa", json=told)
    await _tries(cinema)
    assert await _status(cinema, object_id) == ("new", 0, "silence")

    await cinema.yookassa.lift()
    await _tries(cinema, older_by=timedelta(seconds=30))  # by now it would be there to be read

    assert await _status(cinema, object_id) == ("done", 0, "forged")


async def test_what_was_paid_on_the_page_is_settled_by_its_replayed_notification(cinema: Cinema) -> None:
    boris = await cinema.person()
    await cinema.yookassa.fault("create_payment", "no_answer", when="after", times=1)
    sale = (await boris.subscribes("premium", "499.00", card=None)).json()
    assert sale["payment"]["status"] == "unknown"
    ledger = await cinema.yookassa.ledger()
    [theirs] = ledger.payments_of(sale["payment"]["id"])
    await cinema.yookassa.pay(theirs["id"], GOOD_CARD)
    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": theirs["id"]}}
    await cinema.yookassa.outage("refuse")
    await cinema.api.post("/webhooks/yookassa", json=told)
    await _tries(cinema, older_by=timedelta(days=3))
    await cinema.yookassa.lift()

    [entry] = [one for one in await _listed(cinema) if one["provider_object_id"] == theirs["id"]]
    await cinema.as_admin("POST", f"/internal/v1/notifications/{entry['id']}/replay")
    await cinema.sweeps.inbox()

    assert (await boris.subscription())["status"] == "active"
    assert await boris.charged() == ["499.00"]


async def test_only_administrators_replay_and_only_what_is_there(cinema: Cinema) -> None:
    path = f"/internal/v1/notifications/{uuid4()}/replay"
    vera = await cinema.person()

    assert (await cinema.as_service("POST", path)).status_code == 403
    assert (await vera.posts(path)).status_code == 403
    assert (await cinema.as_admin("POST", path)).status_code == 404
    bearer = {"Authorization": f"Bearer {vera.token}"}
    assert (await cinema.api.get("/internal/v1/notifications", headers=bearer)).status_code == 403
    wrong = await cinema.as_service("GET", "/internal/v1/notifications?status=lost")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation_failed")


async def test_the_list_is_walked_page_by_page(cinema: Cinema) -> None:
    bodies = [
        {"type": "notification", "event": "payment.canceled", "object": {"id": f"page-{number}"}} for number in range(5)
    ]
    for body in bodies:
        await cinema.api.post("/webhooks/yookassa", content=json.dumps(body))

    seen: list[str] = []
    cursor = ""
    while True:
        reply = await cinema.as_service("GET", f"/internal/v1/notifications?limit=2{cursor}")
        seen += [one["provider_object_id"] for one in reply.json()["items"]]
        if reply.json()["next_cursor"] is None:
            break
        cursor = f"&cursor={reply.json()['next_cursor']}"
    assert seen[:5] == [f"page-{number}" for number in reversed(range(5))]
    assert len(seen) == len(set(seen))
