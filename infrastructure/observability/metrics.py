"""The figures that Prometheus reads at /metrics.

Two kinds. What this process did is counted as it happens. What waits in Postgres (`Backlog`) is told by whoever
reads it, just before `render`. Everything takes plain values, and each `Metrics` has a registry of its own, so two in
one process (both sides, tests) do not meet. Labels are words of our own with few values: never an id, a path or input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_CIRCUIT_STATES = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting`: rows; `oldest_s`: age of the oldest in seconds by the wall clock, 0 where none waits."""

    waiting: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, read from Postgres by its partial indices: nothing here costs more as the books grow."""

    open_payments: Mapping[str, Queue] = field(default_factory=dict)
    """By status, `pending` and `unknown`; what has ended is counted in `billing_payments_total`."""
    open_refunds: Mapping[str, Queue] = field(default_factory=dict)
    outbox: Mapping[str, Queue] = field(default_factory=dict)
    """By projection, `history` and `access`."""
    mails_owed: Queue = Queue()
    inbox_waiting: Queue = Queue()
    charges_due: Queue = Queue()
    """Subscriptions whose `next_charge_at` has passed; their age is by the service's clock."""
    open_cases: Mapping[str, int] = field(default_factory=dict)
    """By kind."""


@dataclass(frozen=True, slots=True)
class CircuitReading:
    """One payment system's circuit in this process; `opened` and `held_back` only grow."""

    state: str
    silent: int
    under_way: int
    opened: int
    held_back: int


class Metrics:
    """One set of figures for one process."""

    def __init__(self, *, process_figures: bool = True) -> None:
        self._registry = CollectorRegistry()
        if process_figures:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)
        self._waiting = _Waiting()
        self._circuits = _Circuits()
        self._registry.register(self._waiting)
        self._registry.register(self._circuits)
        self._requests = self._histogram(
            "billing_http_request_seconds", "HTTP requests by route.", ("side", "method", "route", "status"), _QUICK_S
        )
        self._payments = self._counter(
            "billing_payments_total", "Payments that came to a status here.", ("kind", "status", "payment_system")
        )
        self._refunds = self._counter(
            "billing_refunds_total", "Refunds that came to a status here.", ("origin", "status", "payment_system")
        )
        self._calls = self._histogram(
            "billing_payment_system_call_seconds",
            "Calls of payment systems by what they answered.",
            ("payment_system", "call", "answer"),
            _SLOW_S,
        )
        self._silences = self._counter(
            "billing_payment_system_silences_total",
            "Calls of payment systems that got no word: the outcome is unknown.",
            ("payment_system", "call"),
        )
        self._notifications = self._counter(
            "billing_notifications_total", "Notifications by what came of them.", ("payment_system", "outcome")
        )
        self._jobs = self._histogram("billing_job_seconds", "Jobs by duty and outcome.", ("duty", "outcome"), _SLOW_S)
        self._projected = self._counter(
            "billing_projected_total", "Outbox rows carried out, by outcome.", ("projection", "outcome")
        )
        self._visible = self._histogram(
            "billing_commit_to_visible_seconds",
            "From a change's commit to its projection, by the wall clock.",
            ("projection",),
            _SLOW_S,
        )
        self._mails = self._counter("billing_mails_total", "Mails by what the server said.", ("outcome",))
        self._reads = self._counter(
            "billing_reads_total", "Reads by where they were answered from.", ("read", "source")
        )
        self._replays = self._counter(
            "billing_idempotency_total", "Mutating requests by what their key was.", ("outcome",)
        )

    # --- counted as it happens -----------------------------------------------------------------
    def request(self, side: str, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template (`/v1/payments/{id}`), or `unknown` where none matched."""
        self._requests.labels(side, method, route, str(status)).observe(seconds)

    def payment(self, kind: str, status: str, payment_system: str | None) -> None:
        """After the commit that brought the payment to `status`."""
        self._payments.labels(kind, status, payment_system or "outside").inc()

    def refund(self, origin: str, status: str, payment_system: str | None) -> None:
        self._refunds.labels(origin, status, payment_system or "outside").inc()

    def payment_system_call(self, payment_system: str, call: str, answer: str, seconds: float) -> None:
        """`answer`: `word`, `refused`, `not_found` or `silence`."""
        self._calls.labels(payment_system, call, answer).observe(seconds)
        if answer == "silence":
            self._silences.labels(payment_system, call).inc()

    def notification(self, payment_system: str, outcome: str) -> None:
        """`payment_system` is one of the registry's; `outcome`: `stored`, `repeated`, `settled`, `nothing_new`, …"""
        self._notifications.labels(payment_system, outcome).inc()

    def job(self, duty: str, outcome: str, seconds: float) -> None:
        self._jobs.labels(duty, outcome).observe(seconds)

    def projected(self, projection: str, outcome: str, rows: int = 1) -> None:
        """`outcome`: `written`, `older` (a newer version was there already) or `failed`."""
        self._projected.labels(projection, outcome).inc(rows)

    def visible(self, projection: str, seconds: float) -> None:
        self._visible.labels(projection).observe(max(seconds, 0.0))

    def mail(self, outcome: str) -> None:
        """`outcome`: `sent`, `later` or `undeliverable`."""
        self._mails.labels(outcome).inc()

    def read(self, read: str, source: str) -> None:
        """`source`: `redis`, `elasticsearch` or `postgres`; the last for a read of another's is a fallback."""
        self._reads.labels(read, source).inc()

    def idempotency(self, outcome: str) -> None:
        """`outcome`: `first`, `replayed`, `reused`, `in_use` or `gone_on_with`."""
        self._replays.labels(outcome).inc()

    # --- told before they are read -------------------------------------------------------------
    def backlog(self, backlog: Backlog | None) -> None:
        """What waits now; None where Postgres could not be asked, so that old figures do not pass for new ones."""
        self._waiting.backlog = backlog

    def watch_circuit(self, payment_system: str, read: Callable[[], CircuitReading]) -> None:
        """Read the circuit at each `render`."""
        self._circuits.readings[payment_system] = read

    def render(self) -> bytes:
        """Everything in Prometheus' text format, `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str, told: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, told, labels, registry=self._registry)

    def _histogram(self, name: str, told: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, told, labels, buckets=buckets, registry=self._registry)


class _Waiting(Collector):
    def __init__(self) -> None:
        self.backlog: Backlog | None = None

    def collect(self) -> Iterator[Metric]:
        known = self.backlog is not None
        yield GaugeMetricFamily("billing_backlog_known", "Whether Postgres told what waits.", value=float(known))
        if self.backlog is None:
            return
        told = self.backlog
        yield from _queues("billing_payments_open", "Payments that have not ended", "status", told.open_payments)
        yield from _queues("billing_refunds_open", "Refunds that have not ended", "status", told.open_refunds)
        yield from _queues("billing_outbox", "Outbox rows", "projection", told.outbox)
        yield from _queues("billing_mails_owed", "Mails owed", None, {"": told.mails_owed})
        yield from _queues("billing_inbox_waiting", "Notifications not looked at yet", None, {"": told.inbox_waiting})
        yield from _queues("billing_charges_due", "Charges that are due", None, {"": told.charges_due})
        cases = GaugeMetricFamily("billing_cases_open", "Cases that wait for a person.", labels=["kind"])
        for kind, count in told.open_cases.items():
            cases.add_metric([kind], count)
        yield cases


class _Circuits(Collector):
    def __init__(self) -> None:
        self.readings: dict[str, Callable[[], CircuitReading]] = {}

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "billing_circuit_state", "1 for the state that the circuit is in.", labels=["payment_system", "state"]
        )
        silent = GaugeMetricFamily(
            "billing_circuit_silent_objects", "Objects with no word since the last.", labels=["payment_system"]
        )
        under_way = GaugeMetricFamily("billing_circuit_calls", "Calls under way.", labels=["payment_system"])
        opened = CounterMetricFamily("billing_circuit_opened", "Times it opened.", labels=["payment_system"])
        held = CounterMetricFamily("billing_circuit_held_back", "Calls it held back.", labels=["payment_system"])
        for name, read in list(self.readings.items()):
            reading = read()
            for one in _CIRCUIT_STATES:
                state.add_metric([name, one], float(reading.state == one))
            silent.add_metric([name], reading.silent)
            under_way.add_metric([name], reading.under_way)
            opened.add_metric([name], reading.opened)
            held.add_metric([name], reading.held_back)
        yield from (state, silent, under_way, opened, held)


def _queues(name: str, told: str, label: str | None, queues: Mapping[str, Queue]) -> Iterator[Metric]:
    labels = [label] if label else []
    waiting = GaugeMetricFamily(name, f"{told}.", labels=labels)
    oldest = GaugeMetricFamily(f"{name}_oldest_seconds", f"{told}: age of the oldest.", labels=labels)
    for value, queue in queues.items():
        waiting.add_metric([value] if label else [], queue.waiting)
        oldest.add_metric([value] if label else [], queue.oldest_s)
    yield from (waiting, oldest)
