"""What administrators' tools may do that services may not: cancel for somebody, try a charge early, resolve a case."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import select

from infrastructure.postgres.tables import cases, events
from tests.scenarios.cinema import Cinema


async def _case(cinema: Cinema) -> str:
    key = uuid4()
    async with cinema.service.engine.begin() as connection:
        row = {"id": key, "kind": "payment_unresolved", "subject": key.hex, "detail": "Nobody answers.", "facts": {}}
        await connection.execute(cases.insert().values(**row, opened_at=cinema.clock.now()))
    return f"/internal/v1/cases/{key}/resolve"


async def test_an_administrator_cancels_somebodys_subscription_and_the_history_says_who(cinema: Cinema) -> None:
    anna, sale = await cinema.subscriber()
    path = f"/internal/v1/subscriptions/{sale['subscription']['id']}/cancel"

    later = await cinema.as_admin("POST", path, {"reason": "a call"})
    now = await cinema.as_admin("POST", path, {"when": "now"})
    too_late = await cinema.as_admin("POST", path, {"when": "now"})

    assert (later.status_code, later.json()["subscription"]["cancel_at_period_end"]) == (200, True)
    assert (now.status_code, now.json()["subscription"]["status"]) == (200, "canceled")
    assert (too_late.status_code, too_late.json()["code"]) == (409, "not_cancelable")
    async with cinema.service.engine.connect() as connection:
        mine = select(events.c.actor_kind, events.c.actor_id).where(
            events.c.user_id == anna.id, events.c.type.in_(["subscription.canceled"])
        )
        assert [tuple(row) for row in await connection.execute(mine)] == [("admin", "desk")]
    assert (await anna.mails())[-1] == "subscription.canceled"


async def test_a_subscription_that_is_none_cannot_be_cancelled(cinema: Cinema) -> None:
    reply = await cinema.as_admin("POST", f"/internal/v1/subscriptions/{uuid4()}/cancel", {})
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


async def test_the_next_try_of_a_refused_charge_is_made_early_and_none_is_made_of_what_is_paid(cinema: Cinema) -> None:
    boris, sale = await cinema.subscriber()
    body = {"subscription_id": sale["subscription"]["id"], "early": True}
    paid = await cinema.as_admin("POST", "/internal/v1/renewals", body)
    assert (paid.status_code, paid.json()["code"]) == (409, "not_due")

    ledger = await cinema.yookassa.ledger()
    [mine] = [one for one in ledger.payments if one["id"] == sale["payment"]["provider_payment_id"]]
    await cinema.yookassa.behave(str(mine["method_id"]), "insufficient_funds", times=1)
    end = datetime.fromisoformat(sale["subscription"]["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds())
    assert (await boris.subscription())["status"] == "past_due"

    waits = await cinema.as_admin("POST", "/internal/v1/renewals", {"subscription_id": body["subscription_id"]})
    tried = await cinema.as_admin("POST", "/internal/v1/renewals", body)

    assert (waits.status_code, waits.json()["code"]) == (409, "not_due")
    assert (tried.status_code, tried.json()["payment"]["status"]) == (200, "succeeded")
    await cinema.time_passes(days=8)
    assert await boris.charged() == ["499.00"] * 2


async def test_early_tries_that_are_refused_take_no_promised_day_away(cinema: Cinema) -> None:
    """Four of them within a minute of the first refusal ended the subscription, a week before its last try."""
    rita, sale = await cinema.subscriber()
    ledger = await cinema.yookassa.ledger()
    [mine] = [one for one in ledger.payments if one["id"] == sale["payment"]["provider_payment_id"]]
    await cinema.yookassa.behave(str(mine["method_id"]), "insufficient_funds")
    end = datetime.fromisoformat(sale["subscription"]["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds())
    before, mails = await rita.subscription(), await rita.mails()
    assert before["status"] == "past_due"

    for _ in range(5):
        body = {"subscription_id": before["id"], "early": True}
        tried = await cinema.as_admin("POST", "/internal/v1/renewals", body)
        assert (tried.status_code, tried.json()["payment"]["status"]) == (200, "canceled")

    after = await rita.subscription()
    assert (after["status"], after["next_charge_at"]) == ("past_due", before["next_charge_at"])
    assert await rita.mails() == mails
    await cinema.time_passes(days=6, hours=23)
    assert (await rita.subscription())["status"] == "past_due"
    await cinema.time_passes(hours=1)
    assert (await rita.subscription())["status"] == "expired"
    assert (await rita.mails())[len(mails) :] == ["payment.failed subscription.expired"]


async def test_a_case_is_resolved_once_with_what_was_found(cinema: Cinema) -> None:
    path, key = await _case(cinema), uuid4().hex

    first, replayed = [await cinema.as_admin("POST", path, {"resolution": "Found there."}, key) for _ in range(2)]
    again = await cinema.as_admin("POST", path, {"resolution": "Something else."})

    assert (first.status_code, first.json()["case"]["resolution"]) == (200, "Found there.")
    assert replayed.content == first.content
    assert (again.status_code, again.json()["code"]) == (409, "case_closed")
    assert (
        await cinema.as_admin("POST", f"/internal/v1/cases/{uuid4()}/resolve", {"resolution": "x"})
    ).status_code == 404


@pytest.mark.parametrize("resolution", ["", None, "x" * 2001])
async def test_nothing_found_resolves_nothing(cinema: Cinema, resolution: str | None) -> None:
    assert (await cinema.as_admin("POST", await _case(cinema), {"resolution": resolution})).status_code == 422


async def test_services_may_not(cinema: Cinema) -> None:
    _, sale = await cinema.subscriber()
    cancel = f"/internal/v1/subscriptions/{sale['subscription']['id']}/cancel"
    assert (await cinema.as_service("POST", cancel, {})).status_code == 403
    early = {"subscription_id": sale["subscription"]["id"], "early": True}
    refused = await cinema.as_service("POST", "/internal/v1/renewals", early)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await cinema.as_service("POST", await _case(cinema), {"resolution": "Found."})).status_code == 403
