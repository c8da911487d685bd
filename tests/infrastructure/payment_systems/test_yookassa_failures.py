"""However YooKassa fails, the outcome is told as it is: nobody knows, it refused, or here it is."""

from __future__ import annotations

import asyncio
import gzip
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import pytest

from domain.payment_system import ChargeRequest, NotFound, PaymentSnapshot, Refused, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from tests.infrastructure.payment_systems.raw_server import Answer, Heard, RawServer, always, raw_server, response
from tests.infrastructure.payment_systems.samples import charge, error_object, payment_object
from tests.waiting import eventually


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(always(response(payment_object()))) as running:
        yield running


@pytest.fixture
async def yookassa(server: RawServer) -> AsyncIterator[YooKassa]:
    system = YooKassa(Account(server.url, "100500", "test_key"), threads=2, deadline_s=10)
    yield system
    await system.close()


@pytest.fixture
async def hasty(server: RawServer) -> AsyncIterator[YooKassa]:
    """One whose calls end after a second, however long a read may take."""
    system = YooKassa(Account(server.url, "100500", "test_key"), threads=2, read_timeout_s=60, deadline_s=1)
    yield system
    await system.close()


async def hang(_heard: Heard, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset_before(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def reset_halfway(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    whole = response(payment_object())
    writer.write(whole[: len(whole) // 2])
    await writer.drain()
    writer.transport.abort()


def dripping(content: bytes) -> Answer:
    async def answer(_heard: Heard, writer: asyncio.StreamWriter) -> None:
        for at in range(len(content)):
            writer.write(content[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0.05)

    return answer


PAYMENT = payment_object()
WHOLE = response(PAYMENT)
TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + WHOLE[-300:-100]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reset_before, id="reset before the answer"),
        pytest.param(reset_halfway, id="reset halfway"),
        pytest.param(always(response(b'{"id": "22e18a2f-000f', 200)), id="truncated JSON"),
        pytest.param(always(response(b"<html>502 Bad Gateway</html>", 502, {"Content-Type": "text/html"})), id="502"),
        pytest.param(always(response(error_object("internal_server_error"), 500)), id="500"),
        pytest.param(always(response(b"", 503)), id="503 without a body"),
        pytest.param(always(response(b"<html>nice</html>", 200, {"Content-Type": "text/html"})), id="a page for a 200"),
        pytest.param(always(response(b"\x1f\x8b garbage", 200, {"Content-Encoding": "gzip"})), id="broken gzip"),
        pytest.param(always(response(b"", 302, {"Location": "/v3/elsewhere"})), id="a redirect"),
        pytest.param(always(response(b"<html>nginx</html>", 403)), id="403 by something between"),
        pytest.param(always(response({"type": "error"}, 400)), id="400 without a code"),
        pytest.param(always(response(error_object("conflict"), 409)), id="409"),
        pytest.param(always(response(error_object("timeout"), 408)), id="408"),
        pytest.param(
            always(response(error_object("invalid_credentials"), 401)), id="401: our key, nobody's fault else"
        ),
        pytest.param(always(response([PAYMENT])), id="a list"),
        pytest.param(always(response(b"[" * 100_000)), id="a tower of brackets"),
        pytest.param(always(response(PAYMENT | {"id": None})), id="no id"),
        pytest.param(always(response(PAYMENT | {"id": "../refunds"})), id="an id that is a path"),
        pytest.param(always(response(PAYMENT | {"status": "wonderful"})), id="an unheard-of status"),
        pytest.param(always(response({k: v for k, v in PAYMENT.items() if k != "amount"})), id="no amount"),
        pytest.param(always(response(PAYMENT | {"amount": {"value": "1e3", "currency": "RUB"}})), id="an odd amount"),
        pytest.param(always(response(PAYMENT | {"amount": {"value": float("nan"), "currency": "RUB"}})), id="NaN"),
        pytest.param(always(b"SSH-2.0-OpenSSH_9.2\r\n"), id="not HTTP"),
        pytest.param(always(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 300 + b"\r\n"), id="too many headers"),
        pytest.param(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="broken chunks"),
    ],
)
async def test_what_is_no_believable_answer_is_silence(server: RawServer, yookassa: YooKassa, answer: Answer) -> None:
    server.answer = answer

    outcome = await yookassa.create_payment(charge())

    assert isinstance(outcome, Silence), outcome
    posts = [heard for heard in server.heard if heard.method == "POST"]
    assert len(posts) == 1, "a POST is never repeated or redirected by the adapter itself"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(always(response(PAYMENT, 201)), id="created"),
        pytest.param(always(response(PAYMENT | {"refunded_amount": {"value": "many"}})), id="an odd refunded amount"),
    ],
)
async def test_what_says_all_that_matters_is_an_answer(server: RawServer, yookassa: YooKassa, answer: Answer) -> None:
    server.answer = answer
    assert isinstance(await yookassa.create_payment(charge()), PaymentSnapshot)


async def test_an_answer_that_says_too_little_is_made_up_for_by_the_object_itself(
    server: RawServer, yookassa: YooKassa
) -> None:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(response(PAYMENT if heard.method == "GET" else {"id": PAYMENT["id"], "status": "pending"}))

    server.answer = answer
    made = await yookassa.create_payment(charge())
    assert isinstance(made, PaymentSnapshot)
    assert [heard.method for heard in server.heard] == ["POST", "GET"]


async def test_a_refused_connection_is_silence() -> None:
    system = YooKassa(Account("http://127.0.0.1:1/v3", "100500", "key"), threads=1, deadline_s=1)
    assert isinstance(await system.create_payment(charge()), Silence)
    await system.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hang, id="hanging"),
        pytest.param(dripping(WHOLE), id="dripping headers"),
        pytest.param(dripping(WHOLE[WHOLE.index(b"\r\n\r\n") :]), id="dripping rubbish"),
    ],
)
async def test_a_call_ends_at_its_deadline_and_its_thread_comes_back(
    server: RawServer, hasty: YooKassa, answer: Answer
) -> None:
    server.answer = answer
    began = time.monotonic()
    outcomes = await asyncio.gather(*(hasty.create_payment(charge()) for _ in range(10)))
    took = time.monotonic() - began

    assert all(isinstance(outcome, Silence) for outcome in outcomes)
    assert took < 4, "ten calls on two threads end together: nothing queues behind what hangs"

    server.answer = always(WHOLE)
    answered = await asyncio.gather(*(hasty.create_payment(charge()) for _ in range(4)))
    assert all(isinstance(outcome, PaymentSnapshot) for outcome in answered), "the cut-off threads are free again"


async def test_a_body_that_drips_is_cut_off_at_the_deadline(server: RawServer, hasty: YooKassa) -> None:
    head, body = WHOLE.split(b"\r\n\r\n")

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"\r\n\r\n")
        await dripping(body)(heard, writer)

    server.answer = answer
    began = time.monotonic()
    assert isinstance(await hasty.create_payment(charge()), Silence)
    assert time.monotonic() - began < 4


async def test_closing_ends_calls_under_way(server: RawServer) -> None:
    reached = asyncio.Event()

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await hang(heard, writer)

    server.answer = answer
    system = YooKassa(Account(server.url, "1", "k"), threads=1, read_timeout_s=60, deadline_s=60)
    calling = asyncio.create_task(system.create_payment(charge()))
    await reached.wait()
    await system.close()
    assert isinstance(await asyncio.wait_for(calling, 1), Silence)
    assert isinstance(await system.create_payment(charge()), Silence), "a closed adapter answers too"


@pytest.mark.parametrize("endless", [False, True], ids=["hanging", "dripping"])
async def test_a_caller_who_goes_away_costs_no_thread(server: RawServer, endless: bool) -> None:
    reached = asyncio.Semaphore(0)

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        reached.release()
        await (dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000) if endless else hang)(heard, writer)

    server.answer = answer
    system = YooKassa(Account(server.url, "1", "k"), threads=2, read_timeout_s=0.5, deadline_s=0.5)
    calls = [asyncio.create_task(system.create_payment(charge())) for _ in range(2)]
    for _ in calls:
        await reached.acquire()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert system.busy_threads == 2, "the thread goes on, for the money may be moving"
    await eventually(lambda: not system.busy_threads)
    server.answer = always(WHOLE)
    assert isinstance(await system.create_payment(charge()), PaymentSnapshot)
    await system.close()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_request"), (403, "forbidden"), (404, "not_found"), (410, "gone")]
)
async def test_a_well_formed_no_is_a_refusal(server: RawServer, yookassa: YooKassa, status: int, code: str) -> None:
    server.answer = always(response(error_object(code, parameter="amount"), status))
    outcome = await yookassa.create_payment(charge())
    assert outcome == Refused(code, "Amount is out of limits (amount)")


async def test_a_key_used_before_with_another_body_is_silence_about_this_payment_only(
    server: RawServer, yookassa: YooKassa
) -> None:
    server.answer = always(response(error_object(parameter="Idempotence-Key"), 400))
    outcome = await yookassa.create_payment(charge())
    assert isinstance(outcome, Silence)
    assert (outcome.only_this, outcome.conflict) == (True, True)


async def test_a_success_that_leaves_out_the_card_is_looked_at_once_more(server: RawServer, yookassa: YooKassa) -> None:
    terse = {name: value for name, value in PAYMENT.items() if name != "payment_method"} | {"status": "succeeded"}

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(response(PAYMENT | {"status": "succeeded"} if heard.method == "GET" else terse))

    server.answer = answer
    made = await yookassa.create_payment(charge())
    assert isinstance(made, PaymentSnapshot)
    assert made.method is not None
    assert [heard.method for heard in server.heard] == ["POST", "GET"]


@pytest.mark.parametrize(
    ("headers", "body", "pause"),
    [
        ({"Retry-After": "7"}, error_object("too_many_requests"), 7.0),
        ({}, error_object("too_many_requests", retry_after=1800), 1.8),
        ({}, error_object("too_many_requests", retry_after=-(10**400)), 0.0),
        ({"Retry-After": "-5"}, b"slow down", 0.0),
        ({"Retry-After": "1e300"}, b"slow down", 3600.0),
        ({"Retry-After": "nan"}, b"slow down", None),
        ({"Retry-After": "soon"}, b"slow down", None),
        ({}, b"slow down", None),
    ],
)
async def test_429_says_how_long_to_wait(
    server: RawServer, yookassa: YooKassa, headers: dict[str, str], body: object, pause: float | None
) -> None:
    server.answer = always(response(body, 429, headers))
    outcome = await yookassa.create_payment(charge())
    assert isinstance(outcome, Silence)
    assert outcome.retry_after_s == pause
    assert not outcome.only_this


async def test_429_may_name_an_instant(server: RawServer, yookassa: YooKassa) -> None:
    at = datetime.now(UTC) + timedelta(seconds=60)
    server.answer = always(response(b"", 429, {"Retry-After": format_datetime(at, usegmt=True)}))
    outcome = await yookassa.create_payment(charge())
    assert isinstance(outcome, Silence)
    assert 50 < (outcome.retry_after_s or 0) <= 60


async def test_202_is_silence_about_this_payment_only(server: RawServer, yookassa: YooKassa) -> None:
    body = {"type": "processing", "description": "Request accepted, but not processed yet.", "retry_after": 1800}
    server.answer = always(response(body, 202))
    outcome = await yookassa.create_payment(charge())
    assert isinstance(outcome, Silence)
    assert outcome.retry_after_s == 1.8
    assert outcome.only_this


async def test_an_answer_in_gzip_is_read(server: RawServer, yookassa: YooKassa) -> None:
    packed = gzip.compress(WHOLE.split(b"\r\n\r\n")[1])
    server.answer = always(response(packed, 200, {"Content-Encoding": "gzip"}))
    assert isinstance(await yookassa.create_payment(charge()), PaymentSnapshot)


async def test_a_bomb_in_gzip_is_not_unpacked(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = always(response(gzip.compress(b" " * 200_000_000), 200, {"Content-Encoding": "gzip"}))
    assert isinstance(await yookassa.create_payment(charge()), Silence)


async def test_one_connection_serves_many_calls(server: RawServer) -> None:
    system = YooKassa(Account(server.url, "1", "k"), threads=1)
    for _ in range(20):
        assert isinstance(await system.create_payment(charge()), PaymentSnapshot)
    await system.close()
    assert server.connections == 1


async def test_an_id_that_does_not_exist_is_not_found(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = always(response(error_object("not_found"), 404))
    assert isinstance(await yookassa.get_payment("22e18a2f-000f-5000-a000-1db6312b7767"), NotFound)
    server.answer = always(response(error_object(parameter="payment_id"), 400))
    assert isinstance(await yookassa.get_payment("forged"), NotFound)
    server.answer = always(response(b"<html>404</html>", 404))
    assert isinstance(await yookassa.get_payment("22e18a2f"), Silence), "a proxy's 404 says nothing of the payment"


@pytest.mark.parametrize("body", [b"<html>404</html>", b'{"detail":"Not Found"}'])
async def test_strangers_that_are_denied_in_other_words_do_not_make_the_payment_system_seem_away(
    server: RawServer, yookassa: YooKassa, body: bytes
) -> None:
    """Ten forged notifications opened the circuit, and renewals waited."""
    server.answer = always(response(body, 404))
    outcome = await yookassa.get_payment("22e18a2f-000f-5000-a000-1db6312b7767")
    assert isinstance(outcome, Silence)
    assert outcome.only_this


async def test_an_id_that_is_a_path_is_never_sent(server: RawServer, yookassa: YooKassa) -> None:
    for forged in ("../refunds", "a/b", "a?b", "", "я", "a" * 65, "."):
        assert isinstance(await yookassa.get_payment(forged), NotFound)
    assert server.heard == []


async def test_another_object_than_the_one_asked_for_is_not_believed(server: RawServer, yookassa: YooKassa) -> None:
    server.answer = always(response(payment_object()))
    assert isinstance(await yookassa.get_payment("22e18a2f-000f-5000-a000-1db6312b7767"), Silence)


async def test_two_shops_in_one_process_keep_their_credentials_apart(server: RawServer) -> None:
    shops = [YooKassa(Account(server.url, str(n), f"key{n}"), threads=2) for n in range(2)]
    await asyncio.gather(*(shop.create_payment(charge()) for shop in shops for _ in range(10)))
    for shop in shops:
        await shop.close()
    seen = {heard.headers["authorization"] for heard in server.heard}
    assert len(seen) == 2
    assert len(server.heard) == 20


async def test_answers_never_reach_another_call_however_many_are_cut_off(server: RawServer) -> None:
    dice = random.Random(7)

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        whole = response(payment_object(UUID(heard.json["metadata"]["payment_id"])))
        at = dice.randrange(len(whole))
        await asyncio.sleep(dice.choice((0, 0, 0.02, 0.2)))
        writer.write(whole[:at])
        await asyncio.sleep(dice.choice((0, 0, 0.02, 0.2)))
        writer.write(whole[at:])

    server.answer = answer
    system = YooKassa(Account(server.url, "1", "k"), threads=4, deadline_s=0.15, read_timeout_s=0.1)
    requests = [charge() for _ in range(200)]
    room = asyncio.Semaphore(4)

    async def ask(request: ChargeRequest) -> bool:
        async with room:
            outcome = await system.create_payment(request)
        assert isinstance(outcome, PaymentSnapshot | Silence)
        assert isinstance(outcome, Silence) or outcome.payment_id == request.payment_id
        return isinstance(outcome, PaymentSnapshot)

    answered = await asyncio.gather(*(ask(request) for request in requests))
    await system.close()
    assert any(answered)
    assert not all(answered)


async def test_a_second_answer_nobody_asked_for_is_not_the_next_calls(server: RawServer) -> None:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        ours = response(payment_object(UUID(heard.json["metadata"]["payment_id"])))
        writer.write(ours + response(payment_object(uuid4())))

    server.answer = answer
    system = YooKassa(Account(server.url, "1", "k"), threads=1)
    for _ in range(10):
        request = charge()
        outcome = await system.create_payment(request)
        assert isinstance(outcome, PaymentSnapshot)
        assert outcome.payment_id == request.payment_id
    await system.close()
