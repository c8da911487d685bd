"""A row of the registry of payment systems (PAY-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(slots=True)
class PaymentSystemRegistration:
    """A payment system that can be named by its code; `adapter` says which code speaks to it.

    `settings`: by name, each value sealed. `used`: somebody has begun to pay through it, so that it is never deleted.
    """

    id: UUID
    code: str
    name: str
    adapter: str
    enabled: bool
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    used: bool = False
    archived_at: datetime | None = None
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    @property
    def usable(self) -> bool:
        return self.enabled and self.archived_at is None
