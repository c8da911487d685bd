"""The figures that Prometheus reads at /metrics.

Two kinds. What this process did is counted as it happens. What waits in Postgres (`Backlog`) is told by whoever
reads it, just before `render`. Everything takes plain values, and each `Metrics` has a registry of its own, so two in
one process (both sides, tests) do not meet. Labels are words of our own with few values: never an id, a path or input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from domain.events import Event
from infrastructure.payment_systems.circuit import State
from infrastructure.payment_systems.guarded import GuardState

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting`: rows; `oldest_s`: age of the oldest in seconds by the wall clock, 0 where none waits."""

    waiting: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, read from Postgres by its partial indices: nothing here costs more as the books grow."""

    open_payments: Mapping[str, Queue] = field(default_factory=dict)
    """By status, `pending` and `unknown`; what ends is counted in `billing_events_total`."""
    open_refunds: Mapping[str, Queue] = field(default_factory=dict)
    outbox: Mapping[str, Queue] = field(default_factory=dict)
    """By projection, `history` and `access`."""
    mails_owed: Queue = Queue()
    inbox_waiting: Queue = Queue()
    charges_due: Queue = Queue()
    """Subscriptions whose `next_charge_at` has passed; their age is by the service's clock."""
    open_cases: Mapping[str, int] = field(default_factory=dict)
    """By kind."""


Circuits = Callable[[], Mapping[str, GuardState]]
"""The circuits of this process as they are now, by the code of the payment system."""


class Metrics:
    """One set of figures for one process."""

    def __init__(self, circuits: Circuits = dict, *, process_figures: bool = True) -> None:
        self._registry = CollectorRegistry()
        if process_figures:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)
        self._waiting = _Waiting()
        self._registry.register(self._waiting)
        self._registry.register(_Circuits(circuits))
        self._requests = Histogram(
            "billing_http_request_seconds",
            "HTTP requests by route.",
            ("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._events = Counter(
            "billing_events_total",
            "What has happened, by type and, where it is about a payment, its kind.",
            ("type", "kind"),
            registry=self._registry,
        )
        self._fallbacks = Counter(
            "billing_history_fallbacks_total",
            "Reads of the payment history that Elasticsearch should have answered, and Postgres did.",
            registry=self._registry,
        )

    # --- counted as it happens -----------------------------------------------------------------
    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template (`/v1/payments/{id}`), or `unknown` where none matched."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def happened(self, events: Sequence[Event]) -> None:
        """After their commit."""
        for event in events:
            self._events.labels(event.type.value, str(event.data.get("kind", ""))).inc()

    def history_fell_back(self) -> None:
        self._fallbacks.inc()

    # --- told before they are read -------------------------------------------------------------
    def backlog(self, backlog: Backlog | None) -> None:
        """What waits now; None where Postgres could not be asked, so that old figures do not pass for new ones."""
        self._waiting.backlog, self._waiting.is_told = backlog, True

    def render(self) -> bytes:
        """Everything in Prometheus' text format, `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """For a process with no HTTP side of its own; returns what ends it. Raises OSError where the port is taken."""
        server, thread = start_http_server(port, host, self._registry)

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return end


class _Waiting(Collector):
    """Says nothing in a process that nobody tells what waits."""

    def __init__(self) -> None:
        self.backlog: Backlog | None = None
        self.is_told = False

    def collect(self) -> Iterator[Metric]:
        if not self.is_told:
            return
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
    def __init__(self, read: Circuits) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        which = ["payment_system"]
        state = GaugeMetricFamily("billing_circuit_state", "1 for the state it is in.", labels=[*which, "state"])
        silent = GaugeMetricFamily("billing_circuit_silent_objects", "No word since the last.", labels=which)
        under_way = GaugeMetricFamily("billing_circuit_calls", "Calls under way.", labels=which)
        opened = CounterMetricFamily("billing_circuit_opened", "Times it opened.", labels=which)
        held = CounterMetricFamily("billing_circuit_held_back", "Calls it held back.", labels=which)
        silences = CounterMetricFamily(
            "billing_payment_system_silences", "Calls that got no word: the outcome is unknown.", labels=which
        )
        for name, guard in self._read().items():
            for one in State:
                state.add_metric([name, one.value], float(guard.circuit is one))
            silent.add_metric([name], guard.silent)
            under_way.add_metric([name], guard.under_way)
            opened.add_metric([name], guard.opened)
            held.add_metric([name], guard.held_back)
            silences.add_metric([name], guard.silences)
        yield from (state, silent, under_way, opened, held, silences)


def _queues(name: str, told: str, label: str | None, queues: Mapping[str, Queue]) -> Iterator[Metric]:
    labels = [label] if label else []
    waiting = GaugeMetricFamily(name, f"{told}.", labels=labels)
    oldest = GaugeMetricFamily(f"{name}_oldest_seconds", f"{told}: age of the oldest.", labels=labels)
    for value, queue in queues.items():
        waiting.add_metric([value] if label else [], queue.waiting)
        oldest.add_metric([value] if label else [], queue.oldest_s)
    yield from (waiting, oldest)
