"""What the preview of a change shows is what the change does; it is refused where the change is, in the same words."""

from __future__ import annotations

from tests.scenarios.changes_of_plan import BACK, asks_for_preview, changes, plans, subscribed, until_end
from tests.scenarios.cinema import Cinema, Person

__all__ = ["plans"]


async def _refused_alike(person: Person, its_id: str, plan: str, price: str, when: str = "period_end") -> str:
    shown, done = await asks_for_preview(person, its_id, plan, when), await changes(person, its_id, plan, price, when)
    said = [(reply.status_code, reply.json()["code"], reply.json()["detail"]) for reply in (shown, done)]
    assert said[0] == said[1]
    return str(done.json()["code"])


async def test_taking_a_change_back_is_previewed_as_the_next_renewal_of_the_present_plan(cinema: Cinema) -> None:
    anna, its_id = await subscribed(cinema)
    await changes(anna, its_id, "basic", "299.00", "period_end")

    shown = await asks_for_preview(anna, its_id, "premium", "period_end")

    assert shown.status_code == 200, shown.text
    assert (shown.json()["charge"]["value"], shown.json()["credit"]["value"]) == ("499.00", "0.00")
    done = await changes(anna, its_id, "premium", "499.00", "period_end")
    assert (done.status_code, done.json()["subscription"]["next_plan"]) == (200, None)
    await until_end(cinema, anna)
    assert (await anna.subscription())["current_period"] == shown.json()["period"]
    assert await anna.charged() == ["499.00", "499.00"]


async def test_a_change_is_not_taken_back_at_a_price_that_nobody_was_shown(cinema: Cinema) -> None:
    boris, its_id = await subscribed(cinema)
    await changes(boris, its_id, "basic", "299.00", "period_end")

    reply = await changes(boris, its_id, "premium", "1.23", "period_end")

    assert (reply.status_code, reply.json()["code"]) == (409, "price_changed")
    assert (await boris.subscription())["next_plan"]["code"] == "basic"


async def test_a_change_is_taken_back_when_the_renewal_to_the_planned_plan_was_refused(cinema: Cinema) -> None:
    vera, its_id = await subscribed(cinema)
    ledger = await cinema.yookassa.ledger()
    mine = [one for one in ledger.payments if (one.get("metadata") or {}).get("user_id") == str(vera.id)]
    await cinema.yookassa.behave(str(mine[0]["method_id"]), "insufficient_funds", times=1)
    await changes(vera, its_id, "basic", "299.00", "period_end")
    await until_end(cinema, vera)
    assert (await vera.subscription())["status"] == "past_due"

    shown = await asks_for_preview(vera, its_id, "premium", "period_end")
    done = await changes(vera, its_id, "premium", "499.00", "period_end")

    assert (shown.status_code, done.status_code) == (200, 200)
    await cinema.time_passes(days=2)
    assert (await vera.subscription())["current_period"] == shown.json()["period"]
    assert await vera.charged() == ["499.00", "499.00"]


async def test_while_a_payment_is_open_the_preview_says_so_as_the_change_does(cinema: Cinema) -> None:
    gleb, its_id = await subscribed(cinema)
    page = (await changes(gleb, its_id, "family", "999.00", "now", payment=BACK)).json()["payment"]

    assert await _refused_alike(gleb, its_id, "basic", "299.00", "now") == "payment_in_progress"

    shown = (await asks_for_preview(gleb, its_id, "basic", "period_end")).json()
    assert shown["status_url"].endswith(f"/v1/payments/{page['id']}")


async def test_of_what_has_ended_no_planned_change_is_taken_back(cinema: Cinema) -> None:
    dina, its_id = await subscribed(cinema)
    await changes(dina, its_id, "basic", "299.00", "period_end")
    await dina.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "now"})

    assert await _refused_alike(dina, its_id, "premium", "499.00") == "not_changeable"

    happened = [one["type"] for one in (await dina.reads(f"/v1/subscriptions/{its_id}/events"))["items"]]
    assert "subscription.plan_change_dropped" not in happened


async def test_all_else_is_refused_alike(cinema: Cinema) -> None:
    egor, its_id = await subscribed(cinema)
    await egor.subscribes("basic", "299.00")
    for when in ("now", "period_end"):
        assert await _refused_alike(egor, its_id, "basic", "299.00", when) == "already_subscribed"
        assert await _refused_alike(egor, its_id, "premium", "499.00", when) == "already_subscribed"
        assert await _refused_alike(egor, its_id, "nowhere", "1.00", when) == "plan_not_found"
    await egor.posts(f"/v1/subscriptions/{its_id}/cancel", {"when": "period_end"})
    for when in ("now", "period_end"):
        assert await _refused_alike(egor, its_id, "family", "999.00", when) == "not_changeable"
