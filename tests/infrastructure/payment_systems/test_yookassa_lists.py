"""Past the key's lifetime a payment is found by reading the list, to its end, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.payment_system import NotFound, PaymentSnapshot, ProviderStatus, RefundSnapshot, Silence, Unreadable
from infrastructure.payment_systems.circuit import State
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from tests.infrastructure.payment_systems.raw_server import Heard, RawServer, always, raw_server, response
from tests.infrastructure.payment_systems.samples import error_object, payment_object, refund_object

SINCE = datetime(2026, 7, 18, 12, tzinfo=UTC)
UNTIL = datetime(2026, 7, 18, 18, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(always(b"")) as running:
        yield running


@pytest.fixture
async def yookassa(server: RawServer) -> AsyncIterator[YooKassa]:
    system = YooKassa(Account(server.url, "100500", "test_key"), threads=1, deadline_s=2, search_deadline_s=3)
    yield system
    await system.close()


def listing(*pages: list[dict[str, Any]], spelled: Callable[[int], object] = str) -> Any:
    """Serves pages; the cursor is the next page's number."""

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        at = int(heard.query.get("cursor", "0"))
        body: dict[str, Any] = {"type": "list", "items": pages[at]}
        if at + 1 < len(pages):
            body["next_cursor"] = spelled(at + 1)
        writer.write(response(body))

    return answer


async def test_a_payment_is_found_on_any_page(server: RawServer, yookassa: YooKassa) -> None:
    ours = uuid4()
    others = [payment_object(uuid4()) for _ in range(100)]
    server.answer = listing(others, others, [payment_object(ours)])
    found = await yookassa.find_payment(ours, SINCE, UNTIL)
    assert isinstance(found, PaymentSnapshot)
    assert found.payment_id == ours
    assert [heard.query.get("cursor") for heard in server.heard] == [None, "1", "2"]
    assert server.heard[0].query == {
        "limit": "100",
        "created_at.gte": "2026-07-18T12:00:00.000Z",
        "created_at.lte": "2026-07-18T18:00:00.001Z",
    }


async def test_a_cursor_may_be_a_number(server: RawServer, yookassa: YooKassa) -> None:
    """Neither could anything be found nor a day be compared where it was none of letters."""
    ours = uuid4()
    server.answer = listing([payment_object(uuid4())], [payment_object(ours)], spelled=int)
    assert isinstance(await yookassa.find_payment(ours, SINCE, UNTIL), PaymentSnapshot)
    assert len([each async for each in yookassa.list_payments(SINCE, UNTIL)]) == 2


@pytest.mark.parametrize("cursor", [True, ["1"], {"at": 1}])
async def test_what_is_no_cursor_is_silence(server: RawServer, yookassa: YooKassa, cursor: object) -> None:
    server.answer = listing([payment_object(uuid4())], [], spelled=lambda _: cursor)
    assert isinstance(await yookassa.find_payment(uuid4(), SINCE, UNTIL), Silence)


async def test_of_several_tries_the_one_that_took_money_is_found(server: RawServer, yookassa: YooKassa) -> None:
    ours = uuid4()
    tries = [payment_object(ours, status=status) for status in ("canceled", "pending", "succeeded", "canceled")]
    server.answer = listing(tries[:2], tries[2:])
    found = await yookassa.find_payment(ours, SINCE, UNTIL)
    assert isinstance(found, PaymentSnapshot)
    assert found.status is ProviderStatus.SUCCEEDED


async def test_a_success_that_the_list_shows_without_its_card_is_looked_at_by_itself(
    server: RawServer, yookassa: YooKassa
) -> None:
    """Settled as it was listed, its card was never kept, and no renewal could be charged."""
    ours = uuid4()
    whole = payment_object(ours, status="succeeded")
    terse = {name: value for name, value in whole.items() if name != "payment_method"}

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        is_listed = heard.path.endswith("/payments")
        writer.write(response({"type": "list", "items": [terse]} if is_listed else whole))

    server.answer = answer
    found = await yookassa.find_payment(ours, SINCE, UNTIL)
    assert isinstance(found, PaymentSnapshot)
    assert found.method is not None


async def test_not_found_is_said_only_after_the_last_page(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = listing([payment_object(uuid4())], [payment_object()], [])
    assert isinstance(await yookassa.find_payment(uuid4(), SINCE, UNTIL), NotFound)
    assert len(server.heard) == 3


async def test_a_list_that_breaks_off_says_nothing(server: RawServer, yookassa: YooKassa) -> None:
    pages = listing([payment_object(uuid4())], [])

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if "cursor" in heard.query:
            writer.write(response(error_object("internal_server_error"), 500))
        else:
            await pages(heard, writer)

    server.answer = answer
    assert isinstance(await yookassa.find_payment(uuid4(), SINCE, UNTIL), Silence)
    with pytest.raises(ConnectionError):
        _ = [each async for each in yookassa.list_payments(SINCE, UNTIL)]


async def test_an_empty_cursor_is_the_end(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = always(response({"type": "list", "items": [], "next_cursor": ""}))
    assert await yookassa.find_payment(uuid4(), SINCE, UNTIL) == NotFound()


@pytest.mark.parametrize(
    "body",
    [
        {"type": "list", "items": [], "next_cursor": "the same"},
        {"type": "list", "items": [], "next_cursor": 7},
        {"type": "list"},
        {"type": "list", "items": {}},
        {"type": "list", "items": [7]},
    ],
)
async def test_a_lying_list_is_silence(server: RawServer, yookassa: YooKassa, body: object) -> None:
    server.answer = always(response(body))
    assert isinstance(await yookassa.find_payment(uuid4(), SINCE, UNTIL), Silence)
    assert len(server.heard) <= 2


async def test_a_list_without_end_is_left_at_the_deadline(server: RawServer, yookassa: YooKassa) -> None:
    async def answer(_heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(response({"type": "list", "items": [], "next_cursor": str(uuid4())}))

    server.answer = answer
    async with asyncio.timeout(5):
        found = await yookassa.find_payment(uuid4(), SINCE, UNTIL)
    assert isinstance(found, Silence)
    assert found.only_this, "it was our time that ran out, and every page was answered"


async def test_a_search_that_takes_too_long_is_no_outage_to_the_breaker(server: RawServer, yookassa: YooKassa) -> None:
    """As the one call that tries it opened the circuit again, each time."""
    seconds = [0.0]
    guarded = Guarded(yookassa, silences_to_open=1, first_open_for_s=30, monotonic=lambda: seconds[0])
    server.answer = always(response(error_object("internal_server_error"), 500))
    await guarded.get_payment("22e18a2f")
    opened = guarded.state
    assert opened.circuit is State.OPEN
    seconds[0] += 30

    async def endless(_heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(response({"type": "list", "items": [], "next_cursor": str(uuid4())}))

    server.answer = endless
    assert isinstance(await guarded.find_payment(uuid4(), SINCE, UNTIL), Silence)
    assert guarded.state.circuit is State.CLOSED


async def test_a_search_whose_first_page_does_not_come_is_silence_of_everything(
    server: RawServer, yookassa: YooKassa
) -> None:
    async def nothing(_heard: Heard, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server.answer = nothing
    answer = await yookassa.find_payment(uuid4(), SINCE, UNTIL)
    assert isinstance(answer, Silence)
    assert not answer.only_this


async def test_an_unreadable_payment_of_ours_is_silence_not_absence(server: RawServer, yookassa: YooKassa) -> None:
    ours = uuid4()
    server.answer = listing([payment_object(ours, status="wonderful")])
    assert isinstance(await yookassa.find_payment(ours, SINCE, UNTIL), Silence)
    server.answer = listing([payment_object(uuid4(), status="wonderful"), payment_object(ours)])
    assert isinstance(await yookassa.find_payment(ours, SINCE, UNTIL), PaymentSnapshot)


async def test_a_refund_is_found_by_its_own_id(server: RawServer, yookassa: YooKassa) -> None:
    ours = uuid4()
    server.answer = listing([refund_object(), refund_object(uuid4())], [refund_object(ours)])
    found = await yookassa.find_refund(ours, SINCE, UNTIL)
    assert isinstance(found, RefundSnapshot)
    assert found.refund_id == ours
    assert server.heard[0].path == "/v3/refunds"


async def test_reconciliation_reads_everything_in_its_time_and_nothing_else(
    server: RawServer, yookassa: YooKassa
) -> None:
    inside = [payment_object(created_at="2026-07-18T12:00:00.000Z"), payment_object()]
    outside = [payment_object(created_at="2026-07-18T18:00:00.000Z"), payment_object(created_at="2020-01-01T00:00:00Z")]
    server.answer = listing([outside[0], inside[1]], [inside[0], outside[1]])
    found = [each async for each in yookassa.list_payments(SINCE, UNTIL)]
    assert [each.provider_payment_id for each in found if isinstance(each, PaymentSnapshot)] == [
        inside[1]["id"],
        inside[0]["id"],
    ]
    assert len(found) == 2


async def test_what_cannot_be_read_is_told_by_its_id_and_hides_nothing_else(
    server: RawServer, yookassa: YooKassa
) -> None:
    good, odd, nameless = payment_object(), payment_object(status="of tomorrow"), payment_object(id=7)
    server.answer = listing([odd, good, nameless])
    found = [each async for each in yookassa.list_payments(SINCE, UNTIL)]
    assert [each.provider_id for each in found if isinstance(each, Unreadable)] == [odd["id"], None]
    assert [each.provider_payment_id for each in found if isinstance(each, PaymentSnapshot)] == [good["id"]]


async def test_instants_of_other_zones_and_microseconds_lose_nothing(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = listing([])
    since = SINCE.replace(microsecond=999_999)
    await yookassa.find_payment(uuid4(), since, since + timedelta(seconds=1))
    assert server.heard[0].query["created_at.gte"] == "2026-07-18T12:00:00.999Z"
    assert server.heard[0].query["created_at.lte"] == "2026-07-18T12:00:02.000Z"
