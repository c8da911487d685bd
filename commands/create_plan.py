"""Put a plan on sale (SUB-4, ADM-1)."""

from __future__ import annotations

from dataclasses import dataclass

from commands.world import World
from domain.errors import AlreadyExists
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
    """Its first price holds from now on."""
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
