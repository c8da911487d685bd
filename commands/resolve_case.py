"""Close a case with what a person has found (invariant 4)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.world import World
from domain.errors import CaseClosed, NotFoundHere
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class ResolveCase:
    case_id: UUID
    resolution: str


@dataclass(frozen=True, slots=True)
class Resolved:
    case_id: UUID


async def resolve_case(command: ResolveCase, uow: UnitOfWork, world: World) -> Resolved:
    """It leaves the queue; the books are not touched. What still does not add up is told again by whoever finds it."""
    closed = await uow.cases.close(command.case_id, command.resolution, world.clock.now())
    if closed is None:
        raise NotFoundHere("case")
    if not closed:
        raise CaseClosed("The case was closed before, by a person or by itself.")
    return Resolved(command.case_id)
