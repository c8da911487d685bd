"""The payment systems of the registry, each built once a process, behind its circuit breaker (PAY-11)."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import InvalidRegistration, PaymentSystemUnavailable
from domain.ports import Clock, PaymentSystem, Vault
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.registry import ADAPTERS, Adapter
from infrastructure.postgres.tables import payment_systems as registry

_ADDRESS = re.compile(r"https?://[^\s/]+[^\s]*")
_WORD = re.compile(r"[!-~]+")
_ROWS = select(registry.c.id, registry.c.code, registry.c.adapter, registry.c.settings)


@dataclass(slots=True)
class _Built:
    system: Guarded
    adapter: str
    settings: Mapping[str, str]  # as the row has them, sealed
    look_again_at: float


class RegisteredPaymentSystems:
    """Implements domain.ports.PaymentSystems and Adapters.

    `given`: settings by adapter name, e.g. address and key of YooKassa; a row's own come before them. What an
    administrator changes in a row is seen within `fresh_s`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        given: Mapping[str, Mapping[str, str]],
        limits: Mapping[str, Mapping[str, Any]],
        *,
        vault: Vault,
        production: bool,
        fresh_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._given = given
        self._limits = limits
        self._vault = vault
        self._production = production
        self._fresh_s = fresh_s
        self._monotonic = monotonic
        self._built: dict[str, _Built] = {}
        self._left_behind: list[Guarded] = []

    @property
    def built(self) -> Mapping[str, Guarded]:
        return {code: one.system for code, one in self._built.items()}

    async def by_code(self, code: str) -> PaymentSystem:
        """Also one that is switched off or archived: what it still owes has to be asked of it.

        Raises PaymentSystemUnavailable for one that is unknown or not fit for use here.
        """
        known = self._built.get(code)
        if known is not None and self._monotonic() < known.look_again_at:
            return known.system
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ROWS.where(registry.c.code == code))).one_or_none()
        if row is None:
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not in use.")
        known = self._built.get(code)  # another call may have been quicker
        if known is None or (known.adapter, known.settings) != (row.adapter, row.settings):
            system = Guarded(self._made(row))
            if known is not None:
                self._left_behind.append(known.system)  # calls may be under way through it
            known = self._built[code] = _Built(system, row.adapter, row.settings, 0.0)
        known.look_again_at = self._monotonic() + self._fresh_s
        return known.system

    def check(self, adapter: str, settings: Mapping[str, str], known: Collection[str] = ()) -> None:
        kind = self._kind(adapter)
        if kind is None:
            usable = ", ".join(sorted(name for name in ADAPTERS if self._kind(name)))
            raise InvalidRegistration("adapter", f"there is no such adapter here; expected {usable}")
        for name, value in settings.items():
            if name not in kind.settings:
                raise InvalidRegistration(f"settings.{name[:100]}", f"the adapter {adapter} has no such setting")
            if not (_ADDRESS if name.endswith("url") else _WORD).fullmatch(value):
                expected = "an address, http://… or https://…" if name.endswith("url") else "printable ASCII, no spaces"
                raise InvalidRegistration(f"settings.{name}", f"expected {expected}")
        for name in sorted(kind.settings - {*settings, *known, *self._given.get(adapter, {})}):
            raise InvalidRegistration(f"settings.{name}", f"the adapter {adapter} needs it")

    async def accounts(self) -> list[list[str]]:
        """All that are registered, archived ones too, for they may owe us an answer still: the codes of each account.

        An account's lists hold the payments of all codes that speak to it. The oldest code is first.
        """
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_ROWS.order_by(registry.c.id))).all()
        found: dict[object, list[str]] = {}
        for row in rows:
            kind = self._kind(row.adapter)
            try:
                given = self._settings(row) if kind is not None else {}
                whose: object = (row.adapter, *(given.get(name) for name in sorted(kind.account if kind else ())))
            except PaymentSystemUnavailable:  # nobody can say whose it is
                whose = row.code
            found.setdefault(whose, []).append(row.code)
        return list(found.values())

    async def close(self) -> None:
        for system in (*self.built.values(), *self._left_behind):
            await system.close()

    def _kind(self, adapter: str) -> Adapter | None:
        kind = ADAPTERS.get(adapter)
        return kind if kind is not None and (kind.fit_for_production or not self._production) else None

    def _made(self, row: Row[UUID, str, str, dict[str, str]]) -> PaymentSystem:
        kind, code = self._kind(row.adapter), row.code
        if kind is None:
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not fit for use here.")
        settings = self._settings(row)
        if not kind.settings <= settings.keys():
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} lacks settings.")
        return kind.build(self._clock, settings, self._limits.get(row.adapter, {}))

    def _settings(self, row: Row[UUID, str, str, dict[str, str]]) -> dict[str, str]:
        try:
            own = {
                name: self._vault.open(b64decode(value), row.id, row.id).decode()
                for name, value in row.settings.items()
            }
        except ValueError:
            raise PaymentSystemUnavailable(
                f"The settings of the payment system {row.code[:64]} cannot be opened: is their card key gone?"
            ) from None
        return {**self._given.get(row.adapter, {}), **own}
