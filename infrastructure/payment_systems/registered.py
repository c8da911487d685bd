"""The payment systems of the registry, each built once a process, behind its circuit breaker (PAY-11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import PaymentSystemUnavailable
from domain.ports import Clock, PaymentSystem
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.registry import ADAPTERS
from infrastructure.postgres.tables import payment_systems


class RegisteredPaymentSystems:
    """Implements domain.ports.PaymentSystems. `given`: settings by adapter name, e.g. address and key of YooKassa."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        given: Mapping[str, Mapping[str, str]],
        limits: Mapping[str, Mapping[str, Any]],
        *,
        production: bool,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._given = given
        self._limits = limits
        self._production = production
        self._built: dict[str, Guarded] = {}

    @property
    def built(self) -> Mapping[str, Guarded]:
        return self._built

    async def by_code(self, code: str) -> PaymentSystem:
        """Also one that is switched off or archived: what it still owes has to be asked of it.

        Raises PaymentSystemUnavailable for one that is unknown or not fit for use here.
        """
        known = self._built.get(code)
        if known is not None:
            return known
        row = select(payment_systems.c.adapter).where(payment_systems.c.code == code)
        async with self._engine.connect() as connection:
            name = (await connection.execute(row)).scalar_one_or_none()
        adapter = ADAPTERS.get(name) if name is not None else None
        settings = self._given.get(name or "", {})
        if adapter is None or not adapter.settings <= settings.keys():
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not in use.")
        if self._production and not adapter.fit_for_production:
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not fit for production.")
        system = adapter.build(self._clock, settings, self._limits.get(name or "", {}))
        return self._built.setdefault(code, Guarded(system))

    async def close(self) -> None:
        for system in self._built.values():
            await system.close()
