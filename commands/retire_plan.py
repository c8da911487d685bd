"""Take a plan off sale (SUB-4, ADM-1)."""

from __future__ import annotations

from dataclasses import dataclass

from commands.deleted import Deleted
from commands.world import World
from domain.errors import NotFoundHere
from domain.plan import Plan
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class RetirePlan:
    code: str


async def retire_plan(command: RetirePlan, uow: UnitOfWork, world: World) -> Plan | Deleted:
    """Delete a plan that nobody ever had; archive one that is in use."""
    plan = await uow.plans.lock_by_code(command.code)
    if plan is None:
        raise NotFoundHere("plan")
    if await uow.plans.is_used(plan.id):
        plan.archived_at = plan.archived_at or world.clock.now()
        return plan
    await uow.plans.delete(plan)
    return Deleted()
