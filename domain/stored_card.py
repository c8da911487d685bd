"""A person's stored card: what of it may be shown, and the rest sealed (PAY-13)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.cards import CardNumber


@dataclass(slots=True)
class StoredCard:
    """`sealed` holds a CardSecret. A removed card stays for the payments that name it, its secret does not."""

    id: UUID
    user_id: UUID
    first6: str
    last4: str
    exp_month: int
    exp_year: int
    created_at: datetime
    fingerprint: str | None = field(default=None, repr=False)
    sealed: bytes | None = field(default=None, repr=False)
    key_id: str | None = None  # under which `sealed` is, so that a rotation finds it
    removed_at: datetime | None = None
    version: int = 0
    is_new: bool = field(default=False, compare=False)

    def remove(self, at: datetime) -> None:
        self.removed_at = at
        self.fingerprint = self.sealed = self.key_id = None


@dataclass(frozen=True, slots=True)
class CardSecret:
    """What of a card nobody is shown."""

    number: CardNumber
    holder: str | None = field(default=None, repr=False)

    def to_bytes(self) -> bytes:
        return json.dumps({"number": self.number.digits, "holder": self.holder}, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, opened: bytes) -> CardSecret:
        """Read back what `to_bytes` has written."""
        told: dict[str, str | None] = json.loads(opened)
        return cls(CardNumber.parse(told["number"] or ""), told["holder"])
