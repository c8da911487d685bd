"""An object whose own page fails for good, and a request that never gets its answer: the list tells how they ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.payment_system import Refused, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from tests.scenarios.changes_of_plan import until_end
from tests.scenarios.cinema import Cinema, Person


@pytest.fixture(autouse=True)
async def _mended_afterwards(cinema: Cinema) -> AsyncIterator[None]:
    yield
    await cinema.yookassa.lift()


async def _last_payment(person: Person) -> dict[str, Any]:
    return dict((await person.reads("/v1/payments"))["items"][0])


async def test_a_charge_that_is_never_answered_is_found_within_minutes(cinema: Cinema) -> None:
    """The same request was repeated for 23 hours, and the person had paid for nothing meanwhile."""
    anna = await cinema.person()
    await cinema.yookassa.fault("create_payment", "error_500", when="after", times=None)
    assert (await anna.subscribes("premium", "499.00")).status_code == 202

    await cinema.time_passes(minutes=10)

    assert (await anna.subscription())["status"] == "active"
    assert await anna.charged() == ["499.00"]


async def test_a_refund_that_is_never_answered_is_found_within_minutes(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00")).json()
    await cinema.yookassa.fault("create_refund", "error_500", when="after", times=None)
    await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()

    await cinema.time_passes(minutes=10)

    assert (await boris.subscription())["status"] == "canceled"
    ledger = await cinema.yookassa.ledger()
    of_his = [one for one in ledger.refunds if one["payment_id"] == sale["payment"]["provider_payment_id"]]
    assert [one["amount"] for one in of_his] == ["499.00"]


async def test_a_payment_whose_own_page_fails_for_good_ends_by_the_list(cinema: Cinema) -> None:
    vera = await cinema.person()
    await cinema.yookassa.fault("create_payment", "payment_pending", seconds=30)
    await cinema.yookassa.fault("get_payment", "error_500", times=None)
    assert (await vera.subscribes("premium", "499.00")).json()["payment"]["status"] == "pending"

    await cinema.time_passes(minutes=45)

    assert (await vera.subscription())["status"] == "active"
    assert await vera.charged() == ["499.00"]


async def test_a_refund_whose_own_page_fails_for_good_ends_by_the_list(cinema: Cinema) -> None:
    galina = await cinema.person()
    sale = (await galina.subscribes("premium", "499.00")).json()
    await cinema.yookassa.fault("create_refund", "refund_pending", seconds=30)
    await cinema.yookassa.fault("get_refund", "error_500", times=None)
    await galina.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()

    await cinema.time_passes(minutes=45)

    assert (await galina.subscription())["status"] == "canceled"


async def test_a_shop_that_lacks_a_right_for_a_while_loses_no_renewals(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each person of that hour was asked for another card, and expired a week later."""
    denis = await cinema.person()
    await denis.subscribes("premium", "499.00")

    async def forbids(*_: Any) -> Refused:
        return Refused("forbidden", "the shop may not charge saved methods")

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "create_payment", forbids)
        await until_end(cinema, denis)
    assert (await denis.subscription())["status"] == "past_due"
    assert (await _last_payment(denis))["cancellation"]["reason"] == "forbidden"
    assert "payment_forbidden" in await cinema.open_cases(), "an administrator is told"

    await cinema.time_passes(days=1, minutes=5)

    assert (await denis.subscription())["status"] == "active"
    assert await denis.charged() == ["499.00", "499.00"]


async def test_silence_that_only_the_list_could_end_ends_nothing_where_the_list_is_silent_too(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    egor = await cinema.person()
    await cinema.yookassa.fault("create_payment", "error_500", when="before", times=None)

    async def says_nothing(*_: Any) -> Silence:
        return Silence("HTTP 500")

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "find_payment", says_nothing)
        await egor.subscribes("premium", "499.00")
        await cinema.time_passes(minutes=30)
    assert (await _last_payment(egor))["status"] == "unknown"

    await cinema.yookassa.lift()
    await cinema.time_passes(hours=2)

    assert await egor.charged() == ["499.00"]
