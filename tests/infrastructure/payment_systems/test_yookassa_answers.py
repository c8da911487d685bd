"""What YooKassa says is read exactly, kept without secrets, and told as received even where it lies."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.money import Money
from domain.payment_system import (
    Cancellation,
    CardData,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
    Refused,
    Silence,
    Token,
)
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.exchange import Exchange, UnreadableError
from infrastructure.payment_systems.yookassa.sdk import Account
from infrastructure.payment_systems.yookassa.snapshots import binding_snapshot, payment_snapshot, refund_snapshot
from infrastructure.payment_systems.yookassa.verdict import verdict
from tests.infrastructure.payment_systems.raw_server import RawServer, always, in_turn, raw_server, response
from tests.infrastructure.payment_systems.samples import (
    binding,
    charge,
    error_object,
    payment_object,
    refund,
    refund_object,
)

SECRET = "live_secret_key"


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(always(response(payment_object()))) as running:
        yield running


@pytest.fixture
async def yookassa(server: RawServer) -> AsyncIterator[YooKassa]:
    system = YooKassa(Account(server.url, "100500", SECRET), threads=1, deadline_s=5)
    yield system
    await system.close()


def test_a_payment_is_read_field_by_field() -> None:
    ours = uuid4()
    snapshot = payment_snapshot(payment_object(ours))
    assert snapshot.status is ProviderStatus.SUCCEEDED
    assert snapshot.amount == Money(49900)
    assert snapshot.refunded == Money(0)
    assert snapshot.payment_id == ours
    assert snapshot.created_at == datetime(2026, 7, 18, 17, 18, 39, 345000, UTC)
    assert snapshot.method is not None
    assert snapshot.method.saved
    assert (snapshot.method.first6, snapshot.method.last4) == ("555555", "4444")
    assert (snapshot.method.exp_month, snapshot.method.exp_year) == (7, 2032)


def test_a_payment_on_hold_is_pending() -> None:
    assert payment_snapshot(payment_object(status="waiting_for_capture")).status is ProviderStatus.PENDING


def test_a_reason_that_the_sdk_does_not_know_arrives_as_it_is() -> None:
    details = {"party": "the_moon", "reason": "a_reason_of_next_year"}
    snapshot = payment_snapshot(payment_object(status="canceled", cancellation_details=details))
    assert snapshot.cancellation == Cancellation("a_reason_of_next_year", "the_moon")


def test_what_the_documentation_omits_may_be_missing() -> None:
    amount = {"value": "100.00", "currency": "RUB"}
    snapshot = payment_snapshot({"id": "2419a771-000f-5000-9000-1edaf29243f2", "status": "pending", "amount": amount})
    assert (snapshot.method, snapshot.payment_id, snapshot.created_at, snapshot.confirmation_url) == (None,) * 4
    assert snapshot.refunded is None


def _priced(spelled: str) -> PaymentSnapshot:
    """A payment that was received with this as its amount's value."""
    priced = json.dumps(payment_object(amount={"value": "HERE", "currency": "RUB"})).replace('"HERE"', spelled)
    answer = verdict(Exchange(status_code=200, content=priced.encode()))
    assert isinstance(answer, dict)
    return payment_snapshot(answer)


@pytest.mark.parametrize(
    ("spelled", "minor"),
    [
        *((spelled, 49900) for spelled in ('"499.00"', '"499"', '"499.0"', '"499.000"', "499", "499.0", "499.00")),
        *((spelled, 49950) for spelled in ('"499.50"', '"499.5"', "499.5", "499.500")),
        *((spelled, 49905) for spelled in ('"499.05"', "499.05")),
        *((spelled, 0) for spelled in ('"0.00"', "0", "0.0")),
        ("999999999999.99", 99_999_999_999_999),
    ],
)
def test_an_amount_is_read_in_any_spelling_of_whole_kopecks(spelled: str, minor: int) -> None:
    """Money that was taken once stayed unknown for ever, for it was told as 499 and not as "499.00"."""
    assert _priced(spelled).amount == Money(minor)


@pytest.mark.parametrize(
    "spelled",
    [
        *("499.001", '"499.001"', "0.005", '"499.0050"'),
        *("4.99e2", '"4.99e2"', "1E2", "-499", '"-499.00"', '"+499.00"', "-0.0"),
        *("true", "false", "null", "[499]", '{"value": 499}', '""', '"NaN"', '"Infinity"', '" 499.00"', '"499.00\\n"'),
        *('"499,00"', '"499."', '".99"', '"0499.00"', '"1 000.00"', '"\\u0664\\u0669\\u0669.00"', "1000000000000"),
    ],
)
def test_what_is_no_whole_number_of_kopecks_is_no_amount(spelled: str) -> None:
    with pytest.raises(UnreadableError):
        _priced(spelled)


@pytest.mark.parametrize(
    "told", [None, "100.00", {}, {"value": "-1.00", "currency": "RUB"}, {"value": "1.00"}, [], True]
)
def test_a_sum_of_refunds_that_cannot_be_read_is_not_told_and_is_no_zero(told: object) -> None:
    assert payment_snapshot(payment_object(refunded_amount=told)).refunded is None


def test_a_sum_of_refunds_is_read_in_any_spelling_too() -> None:
    assert payment_snapshot(payment_object(refunded_amount={"value": 100, "currency": "RUB"})).refunded == Money(10000)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "https://a b", 'https://a"onload="x', "https://a/\ud800", "", 7, None],
)
def test_a_link_that_is_no_web_address_leads_nobody(url: object) -> None:
    confirmation = {"type": "redirect", "confirmation_url": url}
    assert payment_snapshot(payment_object(status="pending", confirmation=confirmation)).confirmation_url is None


@pytest.mark.parametrize("saved", ["true", 1, "yes", None])
def test_only_a_real_true_means_that_a_method_is_saved(saved: object) -> None:
    snapshot = payment_snapshot(payment_object(payment_method={"type": "bank_card", "id": "m", "saved": saved}))
    assert snapshot.method is not None
    assert not snapshot.method.saved


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pending", ProviderStatus.PENDING),
        ("active", ProviderStatus.SUCCEEDED),
        ("inactive", ProviderStatus.CANCELED),
    ],
)
def test_a_binding_is_a_payment_over_nothing(theirs: str, ours: ProviderStatus) -> None:
    body = {"type": "bank_card", "id": "22e12f66", "saved": theirs == "active", "status": theirs}
    snapshot = binding_snapshot(body | {"card": {"first6": "555555", "last4": "4477"}})
    assert snapshot.status is ours
    assert snapshot.amount == Money(0)
    if ours is ProviderStatus.SUCCEEDED:
        assert snapshot.method is not None
        assert snapshot.method.saved
        assert snapshot.method.title == "Bank card *4477"
    else:
        assert snapshot.method is None, "there is nothing to charge yet"


def test_a_refund_is_read_field_by_field() -> None:
    ours = uuid4()
    details = {"party": "refund_network", "reason": "rejected_by_payee"}
    snapshot = refund_snapshot(refund_object(ours, status="canceled", cancellation_details=details))
    assert snapshot.refund_id == ours
    assert snapshot.amount == Money(10000)
    assert snapshot.cancellation == Cancellation("rejected_by_payee", "refund_network")


def test_what_is_kept_for_the_record_holds_no_secret_and_can_be_stored() -> None:
    body = payment_object(
        description="card 5555 5555 5555 4477\x00 \ud83d",
        card={"number": "4111111111111111", "csc": "123", "expiry_year": "2030"},
        confirmation={"type": "embedded", "confirmation_token": "ct-24301ae5"},
        captured_amount=1.50,
        phone_number="79990000000",
    )
    exchange = Exchange(status_code=200, content=json.dumps(body).encode())
    read = verdict(exchange)
    assert isinstance(read, dict)
    raw = payment_snapshot(read).raw
    text = json.dumps(raw, ensure_ascii=False)
    for secret in ("4111111111111111", "5555 5555 5555 4477", '"123"', "ct-24301ae5", "\x00"):
        assert secret not in text
    text.encode()
    assert raw["captured_amount"] == "1.5", "no float takes part"
    assert raw["phone_number"] == "79990000000"
    assert raw["id"] == body["id"]


async def test_an_answer_for_another_payment_is_told_as_received(server: RawServer, yookassa: YooKassa) -> None:
    other = uuid4()
    server.answer = always(response(payment_object(other, amount={"value": "1.00", "currency": "USD"})))
    request = charge()
    snapshot = await yookassa.create_payment(request)
    assert isinstance(snapshot, PaymentSnapshot)
    assert snapshot.payment_id == other != request.payment_id
    assert snapshot.amount == Money(100, "USD")


async def test_a_page_that_the_answer_leaves_out_is_read_off_the_object(server: RawServer, yookassa: YooKassa) -> None:
    """A person waited for it until the janitor's first look, a minute later."""
    request = charge()
    made = payment_object(request.payment_id, status="pending", paid=False)
    del made["payment_method"]
    page = {"type": "redirect", "confirmation_url": "https://yoomoney.example/pay"}
    server.answer = in_turn(response(made), response({**made, "confirmation": page}))
    answer = await yookassa.create_payment(request)
    assert isinstance(answer, PaymentSnapshot)
    assert answer.confirmation_url == "https://yoomoney.example/pay"


async def test_a_method_that_only_the_object_calls_saved_is_saved(server: RawServer, yookassa: YooKassa) -> None:
    """It was taken for one that can never be charged again, and the subscription was never renewed."""
    request = charge(Token("one-time"))
    whole = payment_object(request.payment_id)
    early = {**whole, "payment_method": {**whole["payment_method"], "saved": False}}
    server.answer = in_turn(response(early), response(whole))
    answer = await yookassa.create_payment(request)
    assert isinstance(answer, PaymentSnapshot)
    assert answer.method is not None
    assert answer.method.saved


async def test_a_refund_and_a_binding_are_created(server: RawServer, yookassa: YooKassa) -> None:
    request = refund(charge(), str(uuid4()), Money(10000))
    server.answer = always(response(refund_object(request.refund_id)))
    snapshot = await yookassa.create_refund(request)
    assert isinstance(snapshot, RefundSnapshot)
    assert snapshot.refund_id == request.refund_id
    server.answer = always(response({"type": "bank_card", "id": "m1", "saved": False, "status": "pending"}))
    bound = await yookassa.create_binding(binding())
    assert isinstance(bound, PaymentSnapshot)
    assert bound.status is ProviderStatus.PENDING


async def test_no_secret_reaches_a_log_or_a_repr(
    server: RawServer, yookassa: YooKassa, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    card = CardData("5555555555554477", 1, 2030, "213")
    token = "one-time-token-of-a-card"
    outcomes: list[object] = []
    with structlog.testing.capture_logs() as events:
        outcomes.append(await yookassa.create_payment(charge(Token(token))))
        server.answer = always(response(error_object(description="4111111111111111 is no card"), 400))
        outcomes.append(await yookassa.create_payment(charge(Token(token))))
        server.answer = always(response(b"5555555555554477 not json"))
        outcomes.append(await yookassa.create_payment(charge(Token(token))))
        outcomes.append(await yookassa.create_payment(charge(card)))
    assert len(events) >= 3
    captured = capsys.readouterr()
    everything = f"{events}{outcomes}{caplog.text}{captured}{charge(Token(token))}{charge(card)}"
    everything += repr(Account(server.url, "1", SECRET))
    for secret in (SECRET, "Basic ", token, "5555555555554477", "4111111111111111", "Authorization"):
        assert secret not in everything


async def test_each_call_leaves_one_line_with_what_helps(server: RawServer, yookassa: YooKassa) -> None:
    with structlog.testing.capture_logs() as events:
        snapshot = await yookassa.create_payment(charge())
    assert isinstance(snapshot, PaymentSnapshot)
    (event,) = events
    assert event["event"] == "payment_system.answered"
    assert event["provider_id"] == snapshot.provider_payment_id
    assert (event["system"], event["call"], event["status"]) == ("yookassa", "create_payment", 200)
    assert event["ms"] >= 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def almost_payments(draw: st.DrawFn) -> bytes:
    """A good payment in which up to three fields, at any depth, were replaced by anything."""
    body: dict[str, Any] = payment_object(uuid4())
    for _ in range(draw(st.integers(0, 3))):
        inner = draw(st.sampled_from([body, *(value for value in body.values() if isinstance(value, dict))]))
        names = [*sorted(inner), "cancellation_details", "confirmation"]
        inner[draw(st.sampled_from(names))] = draw(json_values)
    return json.dumps(body).encode()


@given(
    status=st.sampled_from([200, 201, 202, 301, 400, 401, 403, 404, 410, 429, 500, 503, 999]),
    content=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()) | almost_payments(),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Content-Type"]), st.text(max_size=30)),
)
@settings(max_examples=400, deadline=None)
def test_whatever_is_answered_is_one_of_three_things(status: int, content: bytes, headers: dict[str, str]) -> None:
    answer = verdict(Exchange(True, status, headers, content))
    if isinstance(answer, Refused):
        assert status in {400, 403, 404, 410}
    elif not isinstance(answer, Silence):
        assert status in {200, 201}
        for read in (payment_snapshot, binding_snapshot, refund_snapshot):
            try:
                snapshot = read(answer)
            except ValueError:
                continue
            json.dumps(snapshot.raw, allow_nan=False).encode()
            json.dumps(snapshot.raw, allow_nan=False, ensure_ascii=False).encode()


@given(
    content=st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body)
    | almost_payments().map(response)
    | st.tuples(st.sampled_from([200, 202, 400, 429, 500]), st.binary(max_size=50)).map(
        lambda pair: response(pair[1], pair[0])
    )
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_bytes_arrive_a_payment_call_never_raises(
    server: RawServer, yookassa: YooKassa, content: bytes
) -> None:
    async def answer(_heard: object, writer: Any) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    server.answer = answer
    assert isinstance(await yookassa.create_payment(charge()), PaymentSnapshot | Refused | Silence)
