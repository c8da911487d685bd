"""Register, edit and retire payment systems (PAY-11, ADM-2)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from commands.manage_plans import Deleted
from commands.world import World
from domain.errors import AlreadyExists, NotFoundHere
from domain.payment_system_registration import PaymentSystemRegistration
from domain.ports import Adapters, UnitOfWork


@dataclass(frozen=True, slots=True)
class RegisterPaymentSystem:
    """`settings`: what the adapter is given instead of the service's own settings; some are secrets."""

    code: str
    name: str
    adapter: str
    enabled: bool
    settings: Mapping[str, str] = field(repr=False)


async def register_payment_system(
    command: RegisterPaymentSystem, uow: UnitOfWork, world: World, adapters: Adapters
) -> PaymentSystemRegistration:
    """Make it known by its code; people may choose it at once where it is enabled."""
    if await uow.registrations.lock_by_code(command.code) is not None:
        raise AlreadyExists(f"There is a payment system {command.code}.")
    adapters.check(command.adapter, command.settings)
    registration_id = world.new_id()
    registration = PaymentSystemRegistration(
        id=registration_id,
        code=command.code,
        name=command.name,
        adapter=command.adapter,
        enabled=command.enabled,
        settings=_sealed(command.settings, registration_id, world),
    )
    uow.registrations.add(registration)
    return registration


@dataclass(frozen=True, slots=True)
class EditPaymentSystem:
    """None leaves a thing as it is; of the settings those that are named are changed."""

    code: str
    name: str | None = None
    enabled: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)


async def edit_payment_system(
    command: EditPaymentSystem, uow: UnitOfWork, world: World, adapters: Adapters
) -> PaymentSystemRegistration:
    """What was begun through it goes on whether it is enabled or not (`docs/decisions/0017`).

    One that was archived is in use again once it is enabled.
    """
    registration = await uow.registrations.lock_by_code(command.code)
    if registration is None:
        raise NotFoundHere("payment system")
    if command.settings:
        adapters.check(registration.adapter, command.settings, known=registration.settings.keys())
        changed = _sealed(command.settings, registration.id, world)
        registration.settings = {**registration.settings, **changed}
    registration.name = command.name if command.name is not None else registration.name
    registration.enabled = command.enabled if command.enabled is not None else registration.enabled
    if command.enabled:
        registration.archived_at = None
    return registration


@dataclass(frozen=True, slots=True)
class RetirePaymentSystem:
    code: str


async def retire_payment_system(
    command: RetirePaymentSystem, uow: UnitOfWork, world: World
) -> PaymentSystemRegistration | Deleted:
    """Delete one that nobody ever paid through; archive one that is in use."""
    registration = await uow.registrations.lock_by_code(command.code)
    if registration is None:
        raise NotFoundHere("payment system")
    if registration.used:
        registration.archived_at = registration.archived_at or world.clock.now()
        return registration
    await uow.registrations.delete(registration)
    return Deleted()


def _sealed(settings: Mapping[str, str], registration_id: UUID, world: World) -> dict[str, str]:
    """A dump of the database tells no secret key."""
    return {
        name: b64encode(world.vault.seal(value.encode(), registration_id, registration_id)).decode()
        for name, value in settings.items()
    }
