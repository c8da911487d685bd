"""Learn of a person whom a service names, and who comes with no token of their own (AUTH-5)."""

from __future__ import annotations

from uuid import UUID

from domain.person import Person
from domain.ports import Directory


async def introduce_person(user_id: UUID, directory: Directory | None) -> Person:
    """Whatever auth knows, zone and address among it; the bare id where nobody can tell. No transaction may be open."""
    told = await directory.person(user_id) if directory is not None else None
    return told if isinstance(told, Person) else Person(user_id)
