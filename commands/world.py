"""What every command acts with, beside its transaction."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Clock, NewId, PaymentSystems, Vault
from domain.rules import Rules


@dataclass(frozen=True, slots=True)
class World:
    """`clock` is the service's time, which local mode may hold; `wall` never is, and serves leases and retries."""

    clock: Clock
    wall: Clock
    new_id: NewId
    rules: Rules
    payment_systems: PaymentSystems
    vault: Vault
