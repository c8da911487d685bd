"""Change what a plan is called, costs, and whether it is for sale (SUB-4, ADM-1)."""

from __future__ import annotations

from dataclasses import dataclass

from commands.world import World
from domain.errors import NotFoundHere
from domain.money import Money
from domain.plan import Plan
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class EditPlan:
    """None leaves a thing as it is. A new price holds at once for new subscriptions, for running ones when renewed."""

    code: str
    name: str | None = None
    description: str | None = None
    price: Money | None = None
    available: bool | None = None


async def edit_plan(command: EditPlan, uow: UnitOfWork, world: World) -> Plan:
    """One that was archived is on sale again once it is made available."""
    plan = await uow.plans.lock_by_code(command.code)
    if plan is None:
        raise NotFoundHere("plan")
    plan.name = command.name if command.name is not None else plan.name
    plan.description = command.description if command.description is not None else plan.description
    plan.available = command.available if command.available is not None else plan.available
    if command.available:
        plan.archived_at = None
    if command.price is not None:  # though it holds now already: another may lie ahead, of a clock that was wrong
        uow.plans.set_price(plan, command.price, world.clock.now())
    return plan
