"""What comes back, to the kopeck: one table of the policy (PAY-4), held against preview, books and payment system.

Each row is played over HTTP. What must come back stands in the table, is computed once more in exact fractions that
know nothing of the service's own arithmetic, and is then compared with all who have a say in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.cinema import Cinema, Person

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
FIRST, MIDDLE, LAST_SECOND = timedelta(0), 15 * DAY, 30 * DAY - SECOND
ALMOST_7, DAY_7, AFTER_7 = 7 * DAY - SECOND, 7 * DAY, 7 * DAY + SECOND

# name, price of thirty days, asked after, returned before ("i": by us, "x": outside), comes back
TABLE = [
    ("first day", "499.00", FIRST, "", "499.00"),
    ("day 7 minus a second", "499.00", ALMOST_7, "", "499.00"),
    ("day 7 minus a microsecond", "499.00", DAY_7 - timedelta(microseconds=1), "", "499.00"),
    ("day 7", "499.00", DAY_7, "", "382.57"),
    ("day 7 plus a second", "499.00", AFTER_7, "", "382.57"),
    ("middle", "499.00", MIDDLE, "", "249.50"),
    ("middle, less a part of a second", "499.00", MIDDLE + SECOND / 2, "", "249.50"),
    ("an hour before the end", "499.00", 30 * DAY - 3600 * SECOND, "", "0.69"),
    ("the last seconds worth half a kopeck", "499.00", 30 * DAY - 26 * SECOND, "", "0.01"),
    ("the last seconds worth less", "499.00", 30 * DAY - 25 * SECOND, "", "0.00"),
    ("last second", "499.00", LAST_SECOND, "", "0.00"),
    ("odd kopecks, day 7", "333.33", DAY_7, "", "255.55"),
    ("odd kopecks, day 7 plus a second", "333.33", AFTER_7, "", "255.55"),
    ("odd kopecks, half up in the middle", "333.33", MIDDLE, "", "166.67"),
    ("odd kopecks, half up of 100.01", "100.01", MIDDLE, "", "50.01"),
    ("odd kopecks, day 20", "100.01", 20 * DAY, "", "33.34"),
    ("a rouble and a kopeck, first day", "1.01", FIRST, "", "1.01"),
    ("a rouble and a kopeck would leave less than a rouble", "1.01", MIDDLE, "", "1.01"),
    ("a rouble and a kopeck, the last second", "1.01", LAST_SECOND, "", "0.00"),
    ("would leave 0.99, so all", "4.25", DAY_7, "", "4.25"),
    ("leaves exactly 1.00", "4.27", DAY_7, "", "3.27"),
    ("leaves exactly 1.00 in the middle", "2.00", MIDDLE, "", "1.00"),
    ("would leave 0.99 in the middle, so all", "1.99", MIDDLE, "", "1.99"),
    ("after a part returned by us, first day", "499.00", FIRST, "i100.00", "399.00"),
    ("after a part returned by us, middle", "499.00", MIDDLE, "i100.00", "249.50"),
    ("after a large part returned by us, middle", "499.00", MIDDLE, "i300.00", "199.00"),
    ("after two parts returned by us would leave 0.50", "499.00", MIDDLE, "i200.00 i49.00", "250.00"),
    ("after a part returned outside, first day", "499.00", FIRST, "x100.00", "399.00"),
    ("after a part returned outside, middle", "499.00", MIDDLE, "x100.00", "249.50"),
    ("after a large part returned outside, middle", "499.00", MIDDLE, "x300.00", "199.00"),
    ("after parts returned by us and outside, middle", "499.00", MIDDLE, "i100.00 x300.00", "99.00"),
    ("after odd parts, middle", "333.33", MIDDLE, "x33.34 i111.11", "166.67"),
]


def kopecks(value: str) -> int:
    roubles, _, rest = value.partition(".")
    return int(roubles) * 100 + int(rest)


def due(price: int, start: datetime, end: datetime, now: datetime, left: int) -> int:
    """The policy in fractions: seconds are cut, a half goes up, and no less than a rouble stays behind."""
    if now - start < 7 * DAY:
        return left
    unused, whole = (end - now) // SECOND, (end - start) // SECOND
    share = min(floor(Fraction(price * unused, whole) + Fraction(1, 2)), left)
    return left if share > 0 and 0 < left - share < 100 else share


async def _subscribed(cinema: Cinema, price: str) -> tuple[Person, dict[str, Any]]:
    plan = f"thirty-days-{price}"
    await cinema.sells(plan, price, period={"unit": "day", "count": 30})
    person = await cinema.person()
    reply = await person.subscribes(plan, price)
    assert reply.status_code == 201, reply.text
    return person, reply.json()


async def _return(cinema: Cinema, sale: dict[str, Any], part: str) -> None:
    amount, payment_id = {"value": part[1:], "currency": "RUB"}, sale["payment"]["id"]
    if part[0] == "i":
        body = {"payment_id": payment_id, "amount": amount, "reason": "a gift"}
        reply = await cinema.as_service("POST", "/internal/v1/refunds", body)
        await cinema.works()
        assert reply.status_code == 202, reply.text
        return
    body = {"amount": amount, "refunded_at": cinema.clock.now().isoformat(), "source": "bank"}
    named = {"reference": uuid4().hex, "payment_reference": payment_id}
    path = f"/internal/v1/subscriptions/{sale['subscription']['id']}/external-refunds"
    reply = await cinema.as_service("POST", path, body | named)
    assert reply.status_code == 201, reply.text


@pytest.mark.parametrize(("name", "price", "after", "before", "returned"), TABLE, ids=[row[0] for row in TABLE])
async def test_what_comes_back(
    cinema: Cinema, name: str, price: str, after: timedelta, before: str, returned: str
) -> None:
    person, sale = await _subscribed(cinema, price)
    path = f"/v1/subscriptions/{sale['subscription']['id']}"
    for part in before.split():
        await _return(cinema, sale, part)
    await cinema.time_passes(seconds=after / SECOND)
    period = sale["subscription"]["current_period"]
    start, end = (datetime.fromisoformat(period[edge]) for edge in ("start", "end"))
    left = kopecks(price) - sum(kopecks(part[1:]) for part in before.split())
    assert kopecks(returned) == due(kopecks(price), start, end, cinema.clock.now(), left)

    preview = await person.reads(f"{path}/refund-preview")
    reply = await person.posts(f"{path}/refunds", {"reason": name})
    await cinema.works()

    assert preview["amount"] == {"value": returned, "currency": "RUB"}
    assert preview["full"] == (returned == price)
    payment = await person.reads(f"/v1/payments/{sale['payment']['id']}")
    ledger = await cinema.yookassa.ledger()
    there = [one["amount"] for one in ledger.refunds_of(sale["payment"]["provider_payment_id"])]
    by_us = [part[1:] for part in before.split() if part[0] == "i"]
    if returned == "0.00":
        assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_refund")
        assert (payment["refunded"]["value"], there, (await person.subscription())["status"]) == ("0.00", [], "active")
        await person.posts(f"{path}/cancel", {"when": "now"})  # the next rows have the cinema for themselves
        return
    assert reply.status_code == 202, reply.text
    refund = await person.reads(f"/v1/refunds/{reply.json()['refund']['id']}")
    assert (refund["status"], refund["amount"]["value"]) == ("succeeded", returned)
    assert sorted(there, key=kopecks) == sorted([*by_us, returned], key=kopecks)
    assert kopecks(payment["refunded"]["value"]) == kopecks(price) - left + kopecks(returned)
    assert (await person.subscription())["status"] == "canceled"
    assert (await person.mails())[-1] == "refund.succeeded subscription.canceled"


async def test_a_rest_that_the_payment_system_does_not_return_is_shown_to_a_person(cinema: Cinema) -> None:
    """Less than a rouble went back outside, so all that is left would leave less than a rouble there."""
    person, sale = await _subscribed(cinema, "499.00")
    await _return(cinema, sale, "x0.50")

    reply = await person.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()

    refund = await person.reads(f"/v1/refunds/{reply.json()['refund']['id']}")
    assert (refund["status"], refund["amount"]["value"]) == ("canceled", "498.50")
    assert (await person.subscription())["status"] == "active"
    assert (await person.mails())[-1] == "refund.failed"
    assert "refund_canceled" in await cinema.open_cases()
