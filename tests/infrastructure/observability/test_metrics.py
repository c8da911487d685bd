"""What Prometheus reads: every figure under its name, and none that is out of date."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from infrastructure.observability.metrics import Backlog, CircuitReading, Metrics, Queue


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


def test_silence_is_counted_apart() -> None:
    metrics = Metrics(process_figures=False)
    metrics.payment_system_call("yookassa", "create_payment", "word", 0.2)
    metrics.payment_system_call("yookassa", "create_payment", "silence", 10.0)
    read = figures(metrics)
    labels = (("call", "create_payment"), ("payment_system", "yookassa"))
    assert read["billing_payment_system_silences_total", labels] == 1
    answered = (("answer", "word"), *labels)
    assert read["billing_payment_system_call_seconds_count", answered] == 1


def test_a_circuit_is_read_when_the_figures_are() -> None:
    metrics = Metrics(process_figures=False)
    reading = CircuitReading("closed", silent=0, under_way=1, opened=0, held_back=0)
    metrics.watch_circuit("yookassa", lambda: reading)
    assert figures(metrics)["billing_circuit_state", (("payment_system", "yookassa"), ("state", "closed"))] == 1
    reading = CircuitReading("open", silent=5, under_way=0, opened=1, held_back=40)
    read = figures(metrics)
    assert read["billing_circuit_state", (("payment_system", "yookassa"), ("state", "open"))] == 1
    assert read["billing_circuit_state", (("payment_system", "yookassa"), ("state", "closed"))] == 0
    assert read["billing_circuit_held_back_total", (("payment_system", "yookassa"),)] == 40


def test_what_happened_is_counted() -> None:
    metrics = Metrics()
    metrics.request("commands", "POST", "/v1/subscriptions", 201, 0.01)
    metrics.payment("first", "succeeded", "yookassa")
    metrics.payment("external", "succeeded", None)
    metrics.refund("person", "succeeded", "yookassa")
    metrics.notification("yookassa", "settled")
    metrics.job("renew", "done", 0.5)
    metrics.projected("history", "written", 50)
    metrics.visible("history", -0.001)  # two machines' clocks differ a little
    metrics.mail("sent")
    metrics.read("payment_history", "redis")
    metrics.idempotency("replayed")
    read = figures(metrics)
    assert read["billing_projected_total", (("outcome", "written"), ("projection", "history"))] == 50
    assert (
        read["billing_payments_total", (("kind", "external"), ("payment_system", "outside"), ("status", "succeeded"))]
        == 1
    )
    assert read["billing_commit_to_visible_seconds_sum", (("projection", "history"),)] == 0
    assert any(name == "process_resident_memory_bytes" for name, _ in read)


def test_two_sets_in_one_process_do_not_meet() -> None:
    one, other = Metrics(process_figures=False), Metrics(process_figures=False)
    one.mail("sent")
    assert not any(name == "billing_mails_total" for name, _ in figures(other))
