"""The figures that operators are told to watch are there, and say what happened."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.ports import free_port
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.tables import mails
from infrastructure.simulators.yookassa.serve import running
from jobs.sweeps import Sweeps
from main import make_app
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Hands, key_pair, settings_for, start_of_story

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    """With an Elasticsearch that does not answer."""
    private, public = key_pair()
    with running() as yookassa:
        given = settings_for(database_url, valkey.url, yookassa, public)
        given = given.model_copy(update={"elasticsearch_url": f"http://127.0.0.1:{free_port()}"})
        app, service = await make_app(given, "both")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://billing", timeout=30) as api:
            cinema = Cinema(service, api, yookassa.control, Hands(start_of_story()), Sweeps(service), private)
            await cinema.sells("premium", "499.00")
            yield cinema
        await service.close()


async def _figures(cinema: Cinema) -> Figures:
    reply = await cinema.api.get("/metrics")
    assert reply.status_code == 200
    families = text_string_to_metric_families(reply.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_every_figure_of_the_operators_page_is_told_after_a_day_of_business(cinema: Cinema) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    sale = (await anna.subscribes("premium", "499.00", GOOD_CARD)).json()
    await boris.subscribes("premium", "499.00", POOR_CARD)
    returned = await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    assert returned.status_code == 202, returned.text
    await cinema.works()
    await anna.reads("/v1/payments?status=succeeded")
    await anna.reads("/v1/plans")
    await anna.reads(f"/v1/payments/{sale['payment']['id']}")

    told = await _figures(cinema)

    page = (CHECKOUT / "docs" / "operations.md").read_text("utf-8")
    named = set(re.findall(r"\bbilling_[a-z_]+", page))
    missing = {name for name in named if not any(sample.startswith(name) for sample, _ in told)}
    assert len(named) > 10
    assert missing == {"billing_cases_open"}, "which has no sample where no case is open"

    def of(name: str, **labels: str) -> float:
        return told[name, frozenset(labels.items())]

    assert of("billing_events_total", type="payment.succeeded", kind="first") == 1
    assert of("billing_events_total", type="payment.failed", kind="first") == 1
    assert of("billing_events_total", type="refund.succeeded", kind="") == 1
    assert of("billing_circuit_state", payment_system="yookassa", state="closed") == 1
    assert of("billing_history_fallbacks_total") >= 1
    sold = {"method": "POST", "route": "/v1/subscriptions"}
    assert of("billing_http_request_seconds_count", **sold, status="201") == 2
    read = {"method": "GET", "route": "/v1/payments/{payment_id}"}
    assert of("billing_http_request_seconds_count", **read, status="200") == 1


async def test_mails_that_no_server_takes_grow_old(cinema: Cinema) -> None:
    """Their age was that of the last try, and nobody would have been called."""
    gleb = await cinema.person()
    await gleb.subscribes("premium", "499.00")
    async with cinema.service.engine.begin() as connection:
        written = mails.c.created_at - timedelta(hours=1)
        await connection.execute(update(mails).where(mails.c.user_id == gleb.id).values(created_at=written))
    await cinema.sweeps.mails()

    told = await _figures(cinema)

    assert told["billing_mails_owed_oldest_seconds", frozenset()] > 3590


async def test_no_address_that_a_caller_makes_up_becomes_a_figure(cinema: Cinema) -> None:
    made_up = uuid4().hex
    await cinema.api.get(f"/{made_up}")

    told = await _figures(cinema)

    assert not any(made_up in value for _, labels in told for _, value in labels)
    unknown = {"method": "GET", "route": "unknown", "status": "404"}
    assert told["billing_http_request_seconds_count", frozenset(unknown.items())] >= 1


async def test_a_payment_system_that_says_nothing_is_counted(cinema: Cinema) -> None:
    name = "billing_payment_system_silences_total", frozenset({("payment_system", "yookassa")})
    before = (await _figures(cinema))[name]
    vera = await cinema.person()
    token = await cinema.yookassa.token(GOOD_CARD)
    await cinema.yookassa.outage("refuse")
    payment = {"type": "token", "payment_token": token}
    body = {"plan_code": "premium", "price": {"value": "499.00", "currency": "RUB"}, "payment": payment}
    try:
        assert (await vera.posts("/v1/subscriptions", body)).status_code == 202
    finally:
        await cinema.yookassa.lift()

    told = await _figures(cinema)

    assert told[name] > before
    assert told["billing_events_total", frozenset({("type", "payment.unknown"), ("kind", "")})] == 1
