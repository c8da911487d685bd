"""The adapters there are: adding a payment system is one file with a PaymentSystem and one row here."""

from __future__ import annotations

from domain.ports import PaymentSystem
from infrastructure.payment_systems.imitation import Imitation

ADAPTERS: dict[str, type[PaymentSystem]] = {
    "imitation": Imitation,
}
