"""Create, edit and retire plans (SUB-4, ADM-1)."""

from __future__ import annotations

from dataclasses import dataclass

from commands.world import World
from domain.errors import AlreadyExists, NotFoundHere
from domain.money import Money
from domain.periods import PeriodLength
from domain.plan import Plan
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class CreatePlan:
    code: str
    name: str
    description: str
    price: Money
    period: PeriodLength
    trial_days: int
    available: bool


async def create_plan(command: CreatePlan, uow: UnitOfWork, world: World) -> Plan:
    """Put a plan on sale; its first price holds from now on."""
    if await uow.plans.lock_by_code(command.code) is not None:
        raise AlreadyExists(f"There is a plan {command.code}.")
    plan = Plan(
        id=world.new_id(),
        code=command.code,
        name=command.name,
        description=command.description,
        price=command.price,
        period=command.period,
        trial_days=command.trial_days,
        available=command.available,
    )
    uow.plans.add(plan)
    uow.plans.set_price(plan, command.price, world.clock.now())
    return plan


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


@dataclass(frozen=True, slots=True)
class RetirePlan:
    code: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """It is gone: nothing referred to it."""


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
