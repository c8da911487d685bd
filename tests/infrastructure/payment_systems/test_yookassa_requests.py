"""What is sent to YooKassa is exactly what its API description allows, and what we mean."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import Money
from domain.payment_system import CardData, Instrument, PaymentSnapshot, Redirect, Refused, Saved, Token
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.requests import binding_body, payment_body, refund_body
from infrastructure.payment_systems.yookassa.sdk import Account
from tests.infrastructure.payment_systems.raw_server import RawServer, always, raw_server, response
from tests.infrastructure.payment_systems.samples import (
    RETURN_URL,
    binding,
    charge,
    payment_object,
    refund,
    refund_object,
)
from tests.infrastructure.simulators.yookassa.contract import request_misfits


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(always(response(payment_object()))) as running:
        yield running


@pytest.fixture
async def yookassa(server: RawServer) -> AsyncIterator[YooKassa]:
    system = YooKassa(Account(server.url, "100500", "test_key"), threads=1, deadline_s=5)
    yield system
    await system.close()


async def test_a_payment_travels_as_written(server: RawServer, yookassa: YooKassa) -> None:
    request = charge(Redirect(RETURN_URL))
    await yookassa.create_payment(request)
    (heard,) = server.heard
    assert (heard.method, heard.path) == ("POST", "/v3/payments")
    assert heard.headers["idempotence-key"] == request.idempotency_key
    assert base64.b64decode(heard.headers["authorization"].removeprefix("Basic ")) == b"100500:test_key"
    assert heard.headers["content-type"] == "application/json"
    assert heard.json == {
        "amount": {"value": "499.00", "currency": "RUB"},
        "capture": True,
        "description": "Премиум, месяц",
        "payment_method_data": {"type": "bank_card"},
        "confirmation": {"type": "redirect", "return_url": RETURN_URL},
        "save_payment_method": True,
        "merchant_customer_id": str(request.user_id),
        "metadata": {
            "payment_id": str(request.payment_id),
            "subscription_id": str(request.subscription_id),
            "user_id": str(request.user_id),
        },
    }


def test_a_saved_method_is_charged_without_confirmation() -> None:
    body = payment_body(charge(Saved("22e18a2f")))
    assert body["payment_method_id"] == "22e18a2f"
    assert body["capture"] is True
    for name in ("confirmation", "payment_method_data", "payment_token", "save_payment_method"):
        assert name not in body


def test_a_token_is_confirmed_where_there_is_a_way_back() -> None:
    assert "confirmation" not in payment_body(charge(Token("t")))
    body = payment_body(charge(Token("t", RETURN_URL), save_method=False))
    assert body["confirmation"] == {"type": "redirect", "return_url": RETURN_URL}
    assert body["save_payment_method"] is False
    assert "payment_method_data" not in body


async def test_card_data_is_refused_without_leaving_the_house(server: RawServer, yookassa: YooKassa) -> None:
    outcome = await yookassa.create_payment(charge(CardData("5555555555554477", 1, 2030, "213")))
    assert isinstance(outcome, Refused)
    assert outcome.code == "card_not_supported"
    assert server.heard == []


@pytest.mark.parametrize("key", ["", "a" * 65, "ключ", "a b", "a\r\nX-Evil: 1"])
async def test_a_key_that_they_would_not_take_is_never_sent(server: RawServer, yookassa: YooKassa, key: str) -> None:
    assert isinstance(await yookassa.create_payment(charge(idempotency_key=key)), Refused)
    assert server.heard == []


async def test_the_same_request_is_the_same_bytes(server: RawServer, yookassa: YooKassa) -> None:
    request = charge()
    for _ in range(2):
        await yookassa.create_payment(request)
    first, second = server.heard
    assert first.body == second.body
    assert first.headers["idempotence-key"] == second.headers["idempotence-key"]


async def test_a_refund_names_both_sides(server: RawServer, yookassa: YooKassa) -> None:
    request = refund(charge(), "22e18a2f-000f-5000-a000-1db6312b7767", Money(1))
    server.answer = always(response(refund_object(request.refund_id)))
    await yookassa.create_refund(request)
    (heard,) = server.heard
    assert heard.path == "/v3/refunds"
    assert heard.headers["idempotence-key"] == request.idempotency_key
    assert heard.json["amount"] == {"value": "0.01", "currency": "RUB"}
    assert heard.json["metadata"] == {"refund_id": str(request.refund_id), "payment_id": str(request.payment_id)}


def test_long_descriptions_are_cut_to_what_they_take() -> None:
    assert payment_body(charge(description="я" * 500))["description"] == "я" * 128
    assert refund_body(refund(charge(), "p", description="я" * 500))["description"] == "я" * 250
    assert "description" not in payment_body(charge(description=""))


@given(st.integers(0, 10**14))
@settings(deadline=None)
def test_every_amount_is_sent_to_the_kopeck(minor: int) -> None:
    body = payment_body(charge(amount=Money(minor)))
    assert body["amount"] == {"value": f"{minor // 100}.{minor % 100:02d}", "currency": "RUB"}


def test_a_binding_leads_to_the_page_and_back() -> None:
    request = binding()
    assert binding_body(request)["confirmation"] == {"type": "redirect", "return_url": RETURN_URL}


async def test_a_redirected_environment_changes_nothing(
    server: RawServer, yookassa: YooKassa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert isinstance(await yookassa.create_payment(charge()), PaymentSnapshot)
    assert len(server.heard) == 1


@given(
    st.sampled_from([Redirect(RETURN_URL), Token("t"), Token("t", RETURN_URL), Saved("22e18a2f-000f-5000-a000-1db6")]),
    st.integers(1, 10**14),
    st.text(max_size=300),
    st.booleans(),
)
@settings(deadline=None)
def test_every_payment_and_refund_fits_their_description(
    instrument: Instrument, minor: int, description: str, save: bool
) -> None:
    request = charge(instrument, amount=Money(minor), description=description, save_method=save)
    assert request_misfits("/payments", payment_body(request)) == []
    wanted = refund(request, "22e18a2f-000f-5000-a000-1db6312b7767", description=description)
    assert request_misfits("/refunds", refund_body(wanted)) == []


def test_a_binding_fits_their_description() -> None:
    assert request_misfits("/payment_methods", binding_body(binding())) == []
