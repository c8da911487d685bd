"""Who calls, as the token says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

INTERNAL: Final = "billing:internal"
ADMIN: Final = "billing:admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone whose token was believed.

    `subject`: the token's `sub`; a UUID is written in its canonical form. `user_id`: the same as UUID, None for a
    service under a name. `locale`: `ru`, `en` or None. `zoneinfo`: a name of the IANA database or None.
    `scopes`: as granted, with `billing:internal` wherever `billing:admin` is.
    """

    subject: str
    user_id: UUID | None
    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    locale: str | None = None
    zoneinfo: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def internal(self) -> bool:
        return INTERNAL in self.scopes

    @property
    def admin(self) -> bool:
        return ADMIN in self.scopes
