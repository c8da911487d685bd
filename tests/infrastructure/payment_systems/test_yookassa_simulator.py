"""The real adapter against the simulator's faults: whatever is lost, the same key asked again charges once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from domain.payment_system import PaymentSnapshot, ProviderStatus, RefundSnapshot, Saved, Silence
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from infrastructure.simulators.yookassa.faults import TRANSPORT
from infrastructure.simulators.yookassa.serve import Running, running
from tests.infrastructure.payment_systems.samples import charge, refund

GOOD = "5555555555554444"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
async def yookassa(simulator: Running) -> AsyncIterator[YooKassa]:
    account = Account(simulator.api_url, simulator.shop_id, simulator.secret_key)
    system = YooKassa(account, threads=4, deadline_s=1.0)
    yield system
    await simulator.control.lift()
    await system.close()


async def paid(simulator: Running, yookassa: YooKassa) -> PaymentSnapshot:
    made = await yookassa.create_payment(charge())
    assert isinstance(made, PaymentSnapshot)
    await simulator.control.pay(made.provider_payment_id, GOOD)
    now = await yookassa.get_payment(made.provider_payment_id)
    assert isinstance(now, PaymentSnapshot)
    return now


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", sorted(TRANSPORT))
async def test_a_charge_without_an_answer_is_made_once(
    simulator: Running, yookassa: YooKassa, kind: str, when: str
) -> None:
    first = await paid(simulator, yookassa)
    assert first.method is not None
    request = charge(Saved(first.method.provider_method_id))
    await simulator.control.fault("create_payment", kind, when=when, seconds=1.2)

    assert isinstance(await yookassa.create_payment(request), Silence)

    again = await yookassa.create_payment(request)
    assert isinstance(again, PaymentSnapshot), again
    assert again.status is ProviderStatus.SUCCEEDED
    ledger = await simulator.control.ledger()
    assert [each["id"] for each in ledger.payments_of(request.payment_id)] == [again.provider_payment_id]


@pytest.mark.parametrize("kind", sorted(TRANSPORT))
async def test_a_refund_without_an_answer_is_made_once(simulator: Running, yookassa: YooKassa, kind: str) -> None:
    made = await paid(simulator, yookassa)
    request = refund(charge(), made.provider_payment_id)
    await simulator.control.fault("create_refund", kind, when="after", seconds=1.2)
    assert isinstance(await yookassa.create_refund(request), Silence)
    again = await yookassa.create_refund(request)
    assert isinstance(again, RefundSnapshot), again
    assert len((await simulator.control.ledger()).refunds_of(made.provider_payment_id)) == 1


@pytest.mark.parametrize("mode", ["hang", "refuse", "unavailable"])
async def test_an_outage_is_met_by_a_few_calls_and_is_over_when_it_is_over(
    simulator: Running, yookassa: YooKassa, mode: str
) -> None:
    seconds = [0.0]
    guarded = Guarded(yookassa, silences_to_open=3, calls_at_once=8, wait_s=5, monotonic=lambda: seconds[0])
    outage = await simulator.control.outage(mode)
    answers = await asyncio.gather(*(guarded.create_payment(charge()) for _ in range(100)))
    assert all(isinstance(answer, Silence) for answer in answers)
    assert guarded.state.opened >= 1
    assert guarded.state.held_back > 80, "nearly all were answered without asking"

    await simulator.control.lift(outage)
    assert isinstance(await guarded.create_payment(charge()), Silence), "its time is not over yet"
    seconds[0] += 300
    assert isinstance(await guarded.create_payment(charge()), PaymentSnapshot)


async def test_a_wrong_key_is_an_outage_and_no_refusal(simulator: Running) -> None:
    system = YooKassa(Account(simulator.api_url, simulator.shop_id, "rotated in the night"), threads=1)
    answer = await system.create_payment(charge())
    assert isinstance(answer, Silence)
    assert not answer.only_this
    await system.close()
