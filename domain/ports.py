"""What the rules need from outside; infrastructure provides it, bootstrap.py plugs it in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol
from uuid import UUID

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
)


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
    def list_payments(self, created_from: datetime, created_to: datetime) -> AsyncIterator[PaymentSnapshot]:
        """Every payment made in `[created_from, created_to)`, oldest or newest first, for reconciliation.

        Raises ConnectionError where the payment system stops answering half-way.
        """

    @abstractmethod
    def list_refunds(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot]:
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
