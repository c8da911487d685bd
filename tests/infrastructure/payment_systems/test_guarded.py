"""An outage of the payment system is met once, not by every call; one payment's trouble is its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.payment_system import NotFound, PaymentSnapshot, Refused, Silence
from infrastructure.clock import SystemClock
from infrastructure.payment_systems.circuit import State
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from tests.infrastructure.payment_systems.raw_server import Heard, raw_server, response
from tests.infrastructure.payment_systems.samples import charge, payment_object

OPEN_FOR_S = 30.0


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def inner() -> Imitation:
    return Imitation(SystemClock())


@pytest.fixture
def guarded(inner: Imitation, seconds: Seconds) -> Guarded:
    return Guarded(
        inner,
        silences_to_open=3,
        first_open_for_s=OPEN_FOR_S,
        open_for_s=OPEN_FOR_S,
        calls_at_once=4,
        wait_s=0.05,
        monotonic=seconds,
    )


async def began(inner: Imitation) -> None:
    while not inner.calls:  # noqa: ASYNC110 - one step of the loop at a time, until the call has reached it
        await asyncio.sleep(0)


async def break_circuit(guarded: Guarded, inner: Imitation) -> None:
    inner.on("create_payment").say_nothing_before(times=3)
    for _ in range(3):
        await guarded.create_payment(charge())
    assert guarded.state.circuit is State.OPEN
    inner.calls.clear()


async def test_silence_over_several_payments_opens_the_circuit_and_spares_the_payment_system(
    guarded: Guarded, inner: Imitation
) -> None:
    await break_circuit(guarded, inner)
    answer = await guarded.get_payment("22e18a2f")
    assert isinstance(answer, Silence)
    assert answer.retry_after_s == OPEN_FOR_S
    assert inner.calls == [], "reads share the circuit"
    assert guarded.state.opened == 1
    assert guarded.state.held_back == 1


async def test_one_payment_that_hangs_again_and_again_stops_nobody_else(guarded: Guarded, inner: Imitation) -> None:
    inner.on("create_payment").say_nothing_before(times=20)
    request = charge()
    for _ in range(20):
        await guarded.create_payment(request)
    assert guarded.state.circuit is State.CLOSED
    assert isinstance(await guarded.create_payment(charge()), PaymentSnapshot)


async def test_a_refusal_between_silences_shows_that_somebody_is_there(guarded: Guarded, inner: Imitation) -> None:
    script = inner.on("create_payment")
    for _ in range(5):
        script.say_nothing_before(times=2)
        script.refuse("forbidden")
    answers = [await guarded.create_payment(charge()) for _ in range(15)]
    assert sum(isinstance(answer, Refused) for answer in answers) == 5
    assert guarded.state.circuit is State.CLOSED


async def test_a_silence_about_one_key_is_a_word(guarded: Guarded, inner: Imitation) -> None:
    inner.on("create_payment").lie(lambda _: Silence("at work", 5.0, only_this=True), times=5)
    for _ in range(5):
        await guarded.create_payment(charge())
    assert guarded.state.circuit is State.CLOSED


async def test_after_its_time_one_call_tries_and_an_answer_closes_the_circuit(
    guarded: Guarded, inner: Imitation, seconds: Seconds
) -> None:
    await break_circuit(guarded, inner)
    seconds.now += OPEN_FOR_S
    gate = asyncio.Event()
    inner.on("create_payment").hold(gate)
    trying = asyncio.create_task(guarded.create_payment(charge()))
    await began(inner)
    trying_state = guarded.state
    assert trying_state.circuit is State.HALF_OPEN
    assert isinstance(await guarded.get_payment("another"), Silence), "only one call tries"
    gate.set()
    assert isinstance(await trying, PaymentSnapshot)
    assert guarded.state.circuit is State.CLOSED
    assert isinstance(await guarded.get_payment("another"), NotFound)


async def test_a_try_that_meets_silence_opens_the_circuit_again(
    guarded: Guarded, inner: Imitation, seconds: Seconds
) -> None:
    await break_circuit(guarded, inner)
    seconds.now += OPEN_FOR_S
    inner.on("create_payment").say_nothing_before()
    await guarded.create_payment(charge())
    assert guarded.state.circuit is State.OPEN
    assert guarded.state.opened == 2


async def test_a_try_whose_caller_went_away_leaves_the_try_to_the_next(
    guarded: Guarded, inner: Imitation, seconds: Seconds
) -> None:
    await break_circuit(guarded, inner)
    seconds.now += OPEN_FOR_S
    inner.on("create_payment").hold(asyncio.Event())
    trying = asyncio.create_task(guarded.create_payment(charge()))
    await began(inner)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    assert isinstance(await guarded.create_payment(charge()), PaymentSnapshot)
    assert guarded.state.circuit is State.CLOSED


async def test_a_payment_system_that_asks_to_be_left_alone_is_left_alone_at_once(
    guarded: Guarded, inner: Imitation, seconds: Seconds
) -> None:
    inner.on("create_payment").say_nothing_before(retry_after_s=120)
    await guarded.create_payment(charge())
    seconds.now += 119
    assert guarded.state.circuit is State.OPEN
    seconds.now += 1
    assert isinstance(await guarded.create_payment(charge()), PaymentSnapshot)


async def test_no_payment_system_can_silence_us_for_ever(guarded: Guarded, inner: Imitation, seconds: Seconds) -> None:
    inner.on("create_payment").say_nothing_before(retry_after_s=10**9)
    await guarded.create_payment(charge())
    seconds.now += 300
    assert isinstance(await guarded.create_payment(charge()), PaymentSnapshot)


async def test_a_late_answer_from_before_does_not_close_the_circuit(guarded: Guarded, inner: Imitation) -> None:
    gate = asyncio.Event()
    inner.on("get_payment").hold(gate)
    late = asyncio.create_task(guarded.get_payment("slow"))
    await began(inner)
    await break_circuit(guarded, inner)
    gate.set()
    assert isinstance(await late, NotFound)
    assert guarded.state.circuit is State.OPEN


async def test_calls_beyond_the_limit_wait_briefly_and_fail_fast(guarded: Guarded, inner: Imitation) -> None:
    gate = asyncio.Event()
    inner.on("create_payment").hold(gate, times=4)
    held = [asyncio.create_task(guarded.create_payment(charge())) for _ in range(4)]
    answers = await asyncio.gather(*(guarded.create_payment(charge()) for _ in range(100)))
    assert all(isinstance(answer, Silence) for answer in answers)
    assert guarded.state.under_way == 4
    assert guarded.state.circuit is State.CLOSED, "our own limit says nothing of the payment system"
    gate.set()
    assert all(isinstance(answer, PaymentSnapshot) for answer in await asyncio.gather(*held))
    assert guarded.state.under_way == 0


async def test_who_finds_no_place_waits_for_one_as_long_as_there_is_time_for_an_answer(inner: Imitation) -> None:
    """People once were told after two seconds that nobody knows, with eight left to wait."""
    guarded, gate = Guarded(inner, calls_at_once=4), asyncio.Event()
    inner.on("create_payment").hold(gate, times=4)
    calls = [asyncio.create_task(guarded.create_payment(charge())) for _ in range(12)]
    await began(inner)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.gather(*calls)), 2.5)
    gate.set()
    assert all(isinstance(answer, PaymentSnapshot) for answer in await asyncio.gather(*calls))


async def test_nobody_waits_for_a_place_where_the_circuit_is_open(inner: Imitation) -> None:
    guarded, gate = Guarded(inner, silences_to_open=1, calls_at_once=1), asyncio.Event()
    inner.on("create_payment").hold(gate)
    held = asyncio.create_task(guarded.create_payment(charge()))
    await began(inner)
    inner.on("list_payments").say_nothing_before()
    with pytest.raises(ConnectionError):
        await anext(guarded.list_payments(datetime.now(UTC), datetime.now(UTC)))
    async with asyncio.timeout(1):
        answer = await guarded.create_payment(charge())
    assert isinstance(answer, Silence)
    assert answer.unsent
    gate.set()
    await held


async def test_the_wait_for_a_place_is_part_of_the_time_that_a_call_has() -> None:
    async def one_and_no_more(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        if len(server.heard) == 1:
            writer.write(response(payment_object()))
        else:
            await asyncio.Event().wait()

    async with raw_server(one_and_no_more) as server:
        yookassa = YooKassa(Account(server.url, "100500", "secret"), threads=2, deadline_s=1.0)
        guarded = Guarded(yookassa, calls_at_once=1, wait_s=0.9, deadline_s=1.0)
        began_at = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(guarded.create_payment(charge()) for _ in range(2)))
        took_s = asyncio.get_running_loop().time() - began_at
        await yookassa.close()
    assert [type(answer) for answer in answers] == [PaymentSnapshot, Silence]
    assert 0.9 < took_s < 1.4, "0.6 for a place, and not a second more for the answer"


async def test_a_list_counts_as_one_call(guarded: Guarded, inner: Imitation) -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    until = since + timedelta(days=2)
    made = await guarded.create_payment(charge())
    assert [found async for found in guarded.list_payments(since, until)] == [made]
    inner.on("list_payments").say_nothing_before()
    with pytest.raises(ConnectionError):
        await anext(guarded.list_payments(since, until))
    assert guarded.state.silent == 1
    await break_circuit(guarded, inner)
    with pytest.raises(ConnectionError):
        await anext(guarded.list_refunds(since, until))
    assert inner.calls == []


async def test_everything_else_is_the_inner_ones(guarded: Guarded, inner: Imitation) -> None:
    assert guarded.capabilities == inner.capabilities
    assert guarded.is_sender("127.0.0.1")
    made = await guarded.create_payment(charge())
    assert isinstance(made, PaymentSnapshot)
    body = inner.notification_of(made.provider_payment_id)
    assert guarded.parse_notification(body).provider_object_id == made.provider_payment_id
    assert isinstance(
        await guarded.find_refund(uuid4(), made.created_at or datetime.now(UTC), datetime.now(UTC)), NotFound
    )
    await guarded.close()
