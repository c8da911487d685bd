"""Change what a payment system is called and given, and whether it may be chosen (PAY-11, ADM-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from commands.sealed_settings import sealed_settings
from commands.world import World
from domain.errors import NotFoundHere
from domain.payment_system_registration import PaymentSystemRegistration
from domain.ports import Adapters, UnitOfWork


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
        changed = sealed_settings(command.settings, registration.id, world)
        registration.settings = {**registration.settings, **changed}
    registration.name = command.name if command.name is not None else registration.name
    registration.enabled = command.enabled if command.enabled is not None else registration.enabled
    if command.enabled:
        registration.archived_at = None
    return registration
