"""What the rules need from outside; infrastructure provides it, bootstrap.py plugs it in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.events import Event
from domain.money import Money
from domain.payment import Payment
from domain.payment_method import PaymentMethod
from domain.payment_system import (
    BindingRequest,
    Capabilities,
    ChargeRequest,
    NotFound,
    Notification,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Silence,
    Unreadable,
)
from domain.payment_system_registration import PaymentSystemRegistration
from domain.person import Person, Unavailable
from domain.plan import Plan
from domain.reconciliation import Report
from domain.refund import Refund
from domain.stored_card import StoredCard
from domain.subscription import Subscription


class Clock(Protocol):
    """The service's time. Business rules read this one only, so that local mode can hold it."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...


class NewId(Protocol):
    """Makes identifiers that sort by the time of their making (UUIDv7)."""

    def __call__(self) -> UUID: ...


class PaymentSystem(ABC):
    """One payment system (PAY-11). A subclass in infrastructure/payment_systems and a row make it known.

    No method raises for what the other side does or fails to do: trouble is an answer (`Silence`),
    since the caller has to write it down. Every call ends within the deadline the adapter was given.
    """

    capabilities: Capabilities

    @abstractmethod
    async def create_payment(self, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        """Ask for money, or learn what came of the same request before (same key, same payment)."""

    @abstractmethod
    async def create_binding(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        """Save a method without a charge: a snapshot over 0.00, its method once the person confirmed."""

    @abstractmethod
    async def get_payment(self, provider_payment_id: str) -> PaymentSnapshot | NotFound | Silence:
        """How a payment stands now."""

    @abstractmethod
    async def get_binding(self, provider_method_id: str) -> PaymentSnapshot | NotFound | Silence:
        """How a binding stands now."""

    @abstractmethod
    async def find_payment(
        self, payment_id: UUID, created_from: datetime, created_to: datetime
    ) -> PaymentSnapshot | NotFound | Silence:
        """Look for the payment that carries our id, among all made in that time, page by page."""

    @abstractmethod
    async def create_refund(self, request: RefundRequest) -> RefundSnapshot | Refused | Silence:
        """Ask for money to be returned, or learn what came of the same request before."""

    @abstractmethod
    async def get_refund(self, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        """How a refund stands now."""

    @abstractmethod
    async def find_refund(
        self, refund_id: UUID, created_from: datetime, created_to: datetime
    ) -> RefundSnapshot | NotFound | Silence:
        """Look for the refund that carries our id, among all made in that time, page by page."""

    @abstractmethod
    def list_payments(
        self, created_from: datetime, created_to: datetime
    ) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        """Every payment made in `[created_from, created_to)`, oldest or newest first, for reconciliation.

        One that can't be read is told as that, by its id. Raises ConnectionError where the payment system stops
        answering half-way.
        """

    @abstractmethod
    def list_refunds(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot | Unreadable]:
        """Every refund made in `[created_from, created_to)`; raises as `list_payments` does."""

    @abstractmethod
    def parse_notification(self, body: bytes) -> Notification:
        """Read a webhook's body; raises NotANotificationError."""

    @abstractmethod
    def is_sender(self, address: str) -> bool:
        """Whether notifications of this payment system may come from that IP address."""

    @abstractmethod
    async def close(self) -> None:
        """Give back threads and connections."""


CLAIM = timedelta(seconds=60)
"""How long a claim holds: who dies with one leaves the work to others by then."""


# --- the books -----------------------------------------------------------------------------------
class Plans(Protocol):
    async def by_code(self, code: str) -> Plan | None: ...
    async def by_id(self, plan_id: UUID) -> Plan: ...
    async def lock_by_code(self, code: str) -> Plan | None: ...
    async def is_used(self, plan_id: UUID) -> bool: ...
    def add(self, plan: Plan) -> None: ...
    def set_price(self, plan: Plan, price: Money, valid_from: datetime) -> None: ...
    async def delete(self, plan: Plan) -> None: ...


class Subscriptions(Protocol):
    async def owner(self, subscription_id: UUID) -> UUID | None: ...
    async def find(self, subscription_id: UUID, /) -> Subscription | None: ...
    async def lock(self, subscription_id: UUID, /) -> Subscription | None: ...
    async def running_of(self, user_id: UUID, plan_id: UUID) -> list[Subscription]:
        """Those not ended that are of this plan, or will be from their next period on."""
        ...

    async def had_trial(self, user_id: UUID, plan_id: UUID) -> bool:
        """Whether the person has begun a trial of this plan, ever."""
        ...

    async def lock_running(self, user_id: UUID) -> list[Subscription]:
        """A person's that have not ended."""
        ...

    async def lock_of_method(self, payment_method_id: UUID) -> list[Subscription]: ...
    def add(self, subscription: Subscription) -> None: ...


class Claims(Protocol):
    """Who works at a payment or refund that has not ended, so that nobody else does; by the database's clock."""

    async def claim(self, its_id: UUID, held: datetime | None, /) -> datetime | None:
        """For CLAIM from now on it is the caller's: until when, or None where somebody else has it, or it has ended.

        `held`: the end of a claim that the caller has, which is carried on.
        """
        ...

    async def unclaim(self, its_id: UUID, held: datetime, /) -> None:
        """Give it back, where it is the caller's still."""
        ...


class Payments(Claims, Protocol):
    async def find(self, payment_id: UUID, /) -> Payment | None: ...
    async def find_with_age(self, payment_id: UUID) -> tuple[Payment, timedelta] | None:
        """And how long ago the database wrote it, by the database's own clock; zero where it did not say."""
        ...

    async def find_by_provider_id(self, payment_system: str, provider_payment_id: str) -> Payment | None: ...
    async def find_by_reference(self, source: str, reference: str) -> Payment | None:
        """Who asks for the same reference meanwhile waits until this transaction has ended."""
        ...

    async def find_named(self, subscription_id: UUID, source: str, name: str) -> Payment | None:
        """A subscription's payment by that source's reference, by its id at its payment system, or by its id here."""
        ...

    async def lock(self, payment_id: UUID, /) -> Payment | None: ...
    async def of_current_period(self, subscription_id: UUID, period_number: int) -> Payment | None: ...
    async def attempts(self, subscription_id: UUID, period_number: int) -> int: ...
    def add(self, payment: Payment) -> None: ...


class Refunds(Claims, Protocol):
    async def find(self, refund_id: UUID, /) -> Refund | None: ...
    async def find_with_age(self, refund_id: UUID) -> tuple[Refund, timedelta] | None:
        """And for how long it has had its present key, by the database's clock; zero where it did not say."""
        ...

    async def find_by_provider_id(self, payment_system: str, provider_refund_id: str) -> Refund | None: ...
    async def find_by_reference(self, source: str, reference: str) -> Refund | None:
        """As `Payments.find_by_reference`."""
        ...

    async def lock(self, refund_id: UUID, /) -> Refund | None: ...
    async def open_of(self, payment_id: UUID) -> Refund | None: ...
    def add(self, refund: Refund) -> None: ...


class PaymentMethods(Protocol):
    async def find(self, method_id: UUID, /) -> PaymentMethod | None: ...
    async def lock(self, method_id: UUID, /) -> PaymentMethod | None: ...
    async def by_provider_id(
        self, user_id: UUID, payment_system: str, provider_method_id: str
    ) -> PaymentMethod | None: ...
    async def all_of(self, user_id: UUID) -> list[PaymentMethod]: ...
    def add(self, method: PaymentMethod) -> None: ...


class StoredCards(Protocol):
    async def find(self, card_id: UUID, /) -> StoredCard | None: ...
    async def lock(self, card_id: UUID, /) -> StoredCard | None: ...
    async def by_fingerprint(self, user_id: UUID, fingerprints: Sequence[str]) -> StoredCard | None:
        """The person's card that is kept under one of them, locked; the first of them comes first."""
        ...

    async def all_of(self, user_id: UUID) -> list[StoredCard]:
        """Those that are not removed, locked."""
        ...

    def add(self, card: StoredCard) -> None: ...


class Registrations(Protocol):
    """The registry of payment systems."""

    async def by_code(self, code: str) -> PaymentSystemRegistration | None: ...
    async def lock_by_code(self, code: str) -> PaymentSystemRegistration | None: ...
    def add(self, registration: PaymentSystemRegistration) -> None: ...
    async def delete(self, registration: PaymentSystemRegistration) -> None: ...


class Cases(Protocol):
    """What a person has to look at: nothing is given up silently (invariant 4)."""

    async def open(
        self,
        kind: str,
        subject: str,
        detail: str,
        at: datetime,
        *,
        user_id: UUID | None = None,
        payment_id: UUID | None = None,
        refund_id: UUID | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Record it once for each kind and subject; a further time only counts it up."""
        ...

    async def resolve(self, kind: str, subject: str, at: datetime, *also: str) -> None:
        """Close it where it has solved itself, and further kinds with it; nothing where there is none."""
        ...

    async def close(self, case_id: UUID, resolution: str, at: datetime) -> bool | None:
        """Close one with what was found. False where it was closed before, None where there is none."""
        ...


class Reconciliations(Protocol):
    """The reports of reconciliation, and our books as it reads them: many at a time, without locks."""

    async def report(self, payment_system: str, day: date) -> Report | None: ...
    async def save(self, report: Report, expected: tuple[int, datetime] | None) -> None:
        """`expected`: the pass and the instant as they were read, None for a new one; raises where they are not so."""
        ...

    async def open_cases(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (kind, subject) a person still has to look at."""
        ...

    async def payments(
        self, payment_systems: Collection[str], provider_ids: Collection[str], our_ids: Collection[UUID]
    ) -> list[Payment]:
        """Those known by one id or the other."""
        ...

    async def payments_made(
        self, payment_systems: Collection[str], since: datetime, until: datetime, after: Payment | None, limit: int
    ) -> list[Payment]:
        """What the payment system must know: asked of it for certain, or paid. Oldest first, past `after`."""
        ...

    async def refunds(
        self, payment_systems: Collection[str], provider_ids: Collection[str], our_ids: Collection[UUID]
    ) -> list[Refund]: ...
    async def refunds_made(
        self, payment_systems: Collection[str], since: datetime, until: datetime, after: Refund | None, limit: int
    ) -> list[Refund]: ...
    async def refund_sums(self, payment_id: UUID) -> tuple[int, int]:
        """What the rows of its refunds add up to in minor units: returned, and on their way."""
        ...

    async def returned_outside(self, payment_id: UUID) -> int:
        """Minor units of its refunds that went through no payment system."""
        ...

    async def returned_since(self, payment_id: UUID, since: datetime) -> list[int]:
        """Minor units of each of its refunds that succeeded through a payment system after `since`, latest first."""
        ...

    async def told_of(self, subscription_id: UUID, payment_id: UUID) -> list[str]:
        """What the append-only history says of a payment, e.g. "payment.succeeded 2026-11-20T09:00:00+00:00"."""
        ...

    async def has_unheard_money(self, subscription_id: UUID) -> bool:
        """Whether a person has still to look at a payment there for it of which even our history knows nothing.

        Books that were restored from a backup are like that: it may have paid for the very period that looks due.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReceivedNotification:
    """As it came. `digest`: of its bytes, by which the same content is known again."""

    payment_system: str
    kind: str
    event: str
    provider_object_id: str
    digest: bytes
    body: str


class IntakeFull(Exception):  # noqa: N818 -- named for what happened
    """More notifications are on their way in than can be held; the sender comes again."""


class Intake(Protocol):
    """Where notifications are left (invariant 5)."""

    async def store(self, notification: ReceivedNotification) -> None:
        """Returns when it is committed. The same content again is counted, not kept twice. Raises IntakeFull."""
        ...


class Inbox(Protocol):
    """Notifications as they came (invariant 5)."""

    async def lock(self, entry_id: UUID) -> InboxEntry | None: ...
    async def another_waits(self, entry: InboxEntry) -> bool:
        """Whether an earlier one about the same object waits still."""
        ...

    async def done(self, entry_id: UUID, outcome: str) -> None: ...
    async def wait(self, entry_id: UUID, why: str, retry_after_s: float) -> None:
        """It takes more time; this is no failure of it."""
        ...

    async def failed(self, entry_id: UUID, why: str, retry_after_s: float, *, set_aside: bool) -> None: ...
    async def replay(self, entry_id: UUID) -> str | None:
        """Let one that was set aside wait again; how it stood before, None where there is none."""
        ...


class Documents(Protocol):
    """Objects as callers see them, read inside the transaction that changed them."""

    async def subscription(self, subscription_id: UUID) -> dict[str, Any]: ...
    async def payment(self, payment_id: UUID) -> dict[str, Any]: ...
    async def refund(self, refund_id: UUID) -> dict[str, Any]: ...
    async def plan(self, plan_id: UUID) -> dict[str, Any]: ...
    async def payment_method(self, method_id: UUID) -> dict[str, Any]: ...
    async def card(self, card_id: UUID) -> dict[str, Any]: ...
    async def payment_system(self, registration_id: UUID) -> dict[str, Any]: ...
    async def notification(self, entry_id: UUID) -> dict[str, Any]: ...
    async def case(self, case_id: UUID) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class InboxEntry:
    id: UUID
    payment_system: str
    kind: str
    event: str
    provider_object_id: str
    attempts: int
    age: timedelta
    """Since it came, by the database's clock."""


class UnitOfWork(Protocol):
    """One database transaction. What was loaded by `lock` or added is written when it ends well.

    Locks are taken in one order, the person first, so that no two transactions about one person's
    money run at a time and none can deadlock.
    """

    @property
    def plans(self) -> Plans: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def payments(self) -> Payments: ...
    @property
    def refunds(self) -> Refunds: ...
    @property
    def payment_methods(self) -> PaymentMethods: ...
    @property
    def cards(self) -> StoredCards: ...
    @property
    def registrations(self) -> Registrations: ...
    @property
    def cases(self) -> Cases: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def reconciliations(self) -> Reconciliations: ...

    async def lock_person(self, user_id: UUID) -> None:
        """Wait for the person's turn; makes their row where there is none."""
        ...

    def is_erased(self, user_id: UUID) -> bool:
        """Whether who they are was erased; the caller holds their lock."""
        ...

    async def remember_person(self, person: Person) -> None:
        """Keep what the token says of the person, for whom something begins; the caller holds their lock.

        Raises PersonErased.
        """
        ...

    async def erase_person(self, user_id: UUID, at: datetime) -> datetime | None:
        """Lock the person and forget who they are, for good; since when that is so, None where nobody is known."""
        ...

    async def zone_of(self, user_id: UUID) -> str: ...

    def record(self, event: Event) -> None:
        """The event, its outbox rows and its mail are committed with the change (invariant 8)."""
        ...

    def conclude(self, result: object) -> None:
        """The command's outcome; an executor that holds an idempotency key keeps the reply made of it."""
        ...


class LostRace(Exception):  # noqa: N818 -- named for what happened
    """Another transaction has made what this one was to make, or removed what it builds on: look again."""


class OpenUnitOfWork(Protocol):
    """Opens a transaction: committed when its block ends, rolled back when it raises, LostRace among others."""

    def __call__(self) -> AbstractAsyncContextManager[UnitOfWork]: ...


class PaymentSystems(Protocol):
    """The payment systems in use, by their code in the registry."""

    async def by_code(self, code: str) -> PaymentSystem: ...


class Adapters(Protocol):
    """What payment systems can be built of."""

    def check(self, adapter: str, settings: Mapping[str, str], known: Collection[str] = ()) -> None:
        """Raises InvalidRegistration where no payment system could be built of these settings.

        `known`: the names of those that it has already.
        """
        ...


class Directory(Protocol):
    """The auth service's register of persons (AUTH-5); asked with no transaction open (invariant 2)."""

    async def person(self, user_id: UUID) -> Person | Unavailable | None:
        """None: it knows nobody of that id. Never raises, and never takes long."""
        ...


class Vault(Protocol):
    """Keeps secrets at rest: what is sealed can be opened for its owner and id only (PAY-13)."""

    @property
    def current_key_id(self) -> str: ...
    def seal(self, plaintext: bytes, owner: UUID, id: UUID) -> bytes: ...  # noqa: A002 -- the field's own word
    def open(self, blob: bytes, owner: UUID, id: UUID) -> bytes: ...  # noqa: A002
    def rewrap(self, blob: bytes, owner: UUID, id: UUID) -> bytes:  # noqa: A002
        """The same sealed secret under the current key, unopened; raises ValueError where that cannot be."""
        ...

    def fingerprints(self, number: str, owner: UUID | None = None) -> list[str]:
        """All fingerprints that the same number may be known by, the current one first."""
        ...


# --- idempotency (invariant 9) ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Call:
    """One mutating request. `fingerprint`: of its body, without card data.

    `earlier`: what it was under keys for fingerprints that are no longer the first; the same body all the same.
    """

    caller: str
    route: str
    key: str
    fingerprint: bytes
    earlier: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]
    replayed: bool = False


Present = Callable[[Any, Documents], Awaitable[tuple[int, dict[str, Any]]]]
"""Turns a command's outcome into a status and a JSON body, inside the transaction that made it."""


class KeyTaken(Exception):  # noqa: N818 -- named for what happened
    """Another request has the key: it runs, or it ran."""


@dataclass(frozen=True, slots=True)
class KeptCall:
    """What is kept of an earlier request with the same key. `running`: its lease has not lapsed."""

    fingerprint: bytes
    reply: Reply | None
    running: bool
    operation_id: UUID | None


class KeyedTransactions(Protocol):
    """The transactions of one call. `first` claims the key, any that concludes keeps the reply."""

    reply: Reply | None

    def first(self) -> AbstractAsyncContextManager[UnitOfWork]: ...
    def __call__(self) -> AbstractAsyncContextManager[UnitOfWork]: ...
    def goes_on_with(self, operation_id: UUID) -> None:
        """What the next try of the same key has to go on with, should this one die."""
        ...

    async def let_go(self) -> None:
        """End the lease without a reply: the next try of the same key need not wait for it to run out."""
        ...


class IdempotencyKeys(Protocol):
    async def find(self, call: Call) -> KeptCall | None: ...
    async def take_over(self, call: Call) -> bool: ...
    def transactions(self, call: Call, present: Present) -> KeyedTransactions: ...
