"""What Prometheus reads: every figure under its name, and none that is out of date."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.events import Event, EventType
from infrastructure.local.ports import free_port
from infrastructure.observability.metrics import Backlog, Metrics, Queue
from infrastructure.payment_systems.circuit import State
from infrastructure.payment_systems.guarded import GuardState


def figures(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels → value, as Prometheus would read them."""
    text = metrics.render().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_what_waits_is_told_by_status_kind_and_age() -> None:
    metrics = Metrics(process_figures=False)
    metrics.backlog(
        Backlog(
            open_payments={"pending": Queue(3, 12.0), "unknown": Queue(1, 90.5)},
            outbox={"history": Queue(7, 0.25)},
            mails_owed=Queue(2, 1.0),
            open_cases={"late_news": 1},
        )
    )
    read = figures(metrics)
    assert read["billing_backlog_known", ()] == 1
    assert read["billing_payments_open", (("status", "unknown"),)] == 1
    assert read["billing_payments_open_oldest_seconds", (("status", "unknown"),)] == 90.5
    assert read["billing_outbox", (("projection", "history"),)] == 7
    assert read["billing_outbox_oldest_seconds", (("projection", "history"),)] == 0.25
    assert read["billing_mails_owed", ()] == 2
    assert read["billing_inbox_waiting", ()] == 0
    assert read["billing_cases_open", (("kind", "late_news"),)] == 1


def test_old_figures_do_not_pass_for_new_ones_while_postgres_is_away() -> None:
    metrics = Metrics(process_figures=False)
    metrics.backlog(Backlog(mails_owed=Queue(2, 1.0)))
    metrics.backlog(None)
    read = figures(metrics)
    assert read["billing_backlog_known", ()] == 0
    assert ("billing_mails_owed", ()) not in read


def test_who_was_told_of_no_backlog_says_nothing_of_it() -> None:
    assert not any(name.startswith("billing_backlog") for name, _ in figures(Metrics(process_figures=False)))


def test_a_circuit_is_read_when_the_figures_are() -> None:
    guard = GuardState(State.CLOSED, silent=0, under_way=1, opened=0, held_back=0, silences=0)
    metrics = Metrics(lambda: {"yookassa": guard}, process_figures=False)
    assert figures(metrics)["billing_circuit_state", (("payment_system", "yookassa"), ("state", "closed"))] == 1
    guard = GuardState(State.OPEN, silent=5, under_way=0, opened=1, held_back=40, silences=7)
    read = figures(metrics)
    assert read["billing_circuit_state", (("payment_system", "yookassa"), ("state", "open"))] == 1
    assert read["billing_circuit_state", (("payment_system", "yookassa"), ("state", "closed"))] == 0
    assert read["billing_circuit_held_back_total", (("payment_system", "yookassa"),)] == 40
    assert read["billing_payment_system_silences_total", (("payment_system", "yookassa"),)] == 7


def test_what_happened_is_counted_by_type_and_kind() -> None:
    metrics = Metrics()
    at, whose, which = datetime.now(UTC), uuid4(), uuid4()
    paid = Event(EventType.PAYMENT_SUCCEEDED, at, whose, which, data={"kind": "renewal"})
    metrics.happened([paid, Event(EventType.SUBSCRIPTION_RENEWED, at, whose, which), paid])
    read = figures(metrics)
    assert read["billing_events_total", (("kind", "renewal"), ("type", "payment.succeeded"))] == 2
    assert read["billing_events_total", (("kind", ""), ("type", "subscription.renewed"))] == 1
    assert any(name == "process_resident_memory_bytes" for name, _ in read)


def test_two_sets_in_one_process_do_not_meet() -> None:
    one, other = Metrics(process_figures=False), Metrics(process_figures=False)
    one.history_fell_back()
    assert figures(one)["billing_history_fallbacks_total", ()] == 1
    assert figures(other)["billing_history_fallbacks_total", ()] == 0


def test_a_process_without_an_http_side_serves_them_on_a_port_of_its_own() -> None:
    metrics, port = Metrics(process_figures=False), free_port()
    metrics.history_fell_back()
    end = metrics.serve("127.0.0.1", port)
    try:
        assert "billing_history_fallbacks_total 1.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        end()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
