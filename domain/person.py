"""The person who pays, as far as the books need one; the auth service owns the rest (AUTH-5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """What a token or the auth service says of a person; None where it says nothing."""

    id: UUID
    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    locale: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody can tell of a person now. `why`: one phrase for the log."""

    why: str
