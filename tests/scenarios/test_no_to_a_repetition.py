"""A 'no' to a repeated request says nothing of the first one, which may be at work there still."""

from __future__ import annotations

from typing import cast
from uuid import UUID

import pytest

from domain.payment_system import ChargeRequest, RefundRequest, Refused, Silence
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.yookassa import YooKassa
from tests.scenarios.cinema import Cinema


async def _behind_the_guard(cinema: Cinema) -> YooKassa:
    guarded = cast("Guarded", await cinema.service.world.payment_systems.by_code("yookassa"))
    return cast("YooKassa", guarded._inner)


async def test_a_no_to_a_repetition_is_believed_only_once_the_first_request_cannot_be_at_work_any_more(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is answered by nobody and carried out late; meanwhile its repetition is refused, and nothing listed."""
    anna = await cinema.person()
    whole = YooKassa.create_payment
    asked: list[ChargeRequest] = []

    async def unheard_then_refused(self: YooKassa, request: ChargeRequest) -> Refused | Silence:
        asked.append(request)
        return Silence("no answer in time") if len(asked) == 1 else Refused("invalid_request", "the token was used")

    monkeypatch.setattr(YooKassa, "create_payment", unheard_then_refused)
    payment = (await anna.subscribes("premium", "499.00")).json()["payment"]
    await cinema.time_passes(seconds=10)
    assert [request.payment_id for request in asked] == 2 * [UUID(payment["id"])]
    assert (await anna.reads(f"/v1/payments/{payment['id']}"))["status"] == "unknown"

    await whole(await _behind_the_guard(cinema), asked[0])
    await cinema.time_passes(minutes=10)

    assert (await anna.reads(f"/v1/payments/{payment['id']}"))["status"] == "succeeded"
    assert await anna.charged() == ["499.00"]


async def test_a_second_no_to_a_repetition_is_the_last_word(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
    boris = await cinema.person()
    answers: list[Refused | Silence] = [Silence("no answer in time")]

    async def unheard_then_refused(self: YooKassa, request: ChargeRequest) -> Refused | Silence:
        return answers.pop() if answers else Refused("invalid_request", "the token was used")

    monkeypatch.setattr(YooKassa, "create_payment", unheard_then_refused)
    payment = (await boris.subscribes("premium", "499.00")).json()["payment"]
    await cinema.time_passes(minutes=3)

    assert (await boris.reads(f"/v1/payments/{payment['id']}"))["status"] == "canceled"
    assert (await boris.subscription())["status"] == "expired"


async def test_a_no_to_a_repeated_refund_is_believed_only_once_the_first_cannot_be_at_work_any_more(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    clara = await cinema.person()
    sale = (await clara.subscribes("premium", "499.00")).json()
    whole = YooKassa.create_refund
    asked: list[RefundRequest] = []

    async def unheard_then_refused(self: YooKassa, request: RefundRequest) -> Refused | Silence:
        asked.append(request)
        return Silence("no answer in time") if len(asked) == 1 else Refused("invalid_request", "already under way")

    monkeypatch.setattr(YooKassa, "create_refund", unheard_then_refused)
    refund = (await clara.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})).json()["refund"]
    await cinema.works()
    await cinema.time_passes(seconds=10)
    assert len(asked) == 2
    assert (await clara.reads(f"/v1/refunds/{refund['id']}"))["status"] == "unknown"

    await whole(await _behind_the_guard(cinema), asked[0])
    await cinema.time_passes(minutes=10)

    assert (await clara.reads(f"/v1/refunds/{refund['id']}"))["status"] == "succeeded"
