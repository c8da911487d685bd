"""The payment systems of the registry, each built once a process, behind its circuit breaker (PAY-11)."""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import InvalidRegistration, PaymentSystemUnavailable
from domain.ports import Clock, PaymentSystem, Vault
from infrastructure.payment_systems.guarded import Guarded, GuardState
from infrastructure.payment_systems.registry import ADAPTERS, Adapter
from infrastructure.postgres.tables import payment_systems as registry

_ADDRESS = re.compile(r"https?://[^\s/]+[^\s]*")
_WORD = re.compile(r"[!-~]+")
_ROWS = select(registry.c.id, registry.c.code, registry.c.adapter, registry.c.settings).order_by(registry.c.id)
_PATIENCE_S = 5.0
"""For a few rows; whoever waits for them holds a connection that others need."""

_IN_LINE = 0.7
"""The share of a call's time that it may wait for its turn; who gets it later could hardly be answered in time."""

_Row = Row[UUID, str, str, dict[str, str]]


@dataclass(slots=True)
class _Built:
    system: Guarded
    adapter: str
    settings: Mapping[str, str]  # as the row has them, sealed
    look_again_at: float


@dataclass(frozen=True, slots=True)
class _Look:
    """The registry as somebody read it who began at `began_at`."""

    began_at: float
    rows: Mapping[str, _Row]


class RegisteredPaymentSystems:
    """Implements domain.ports.PaymentSystems and Adapters.

    `given`: settings by adapter name, e.g. address and key of YooKassa; a row's own come before them. What an
    administrator changes in a row is seen within `fresh_s`.

    `engine`: its own, closed with it. Commands ask for a payment system while they hold a connection: from the pool
    that this comes from, enough of them at once would hold all connections and each wait for one more.
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
        self._looking: asyncio.Task[_Look] | None = None

    @property
    def built(self) -> Mapping[str, Guarded]:
        """Those that this process has used, by code."""
        return {code: one.system for code, one in self._built.items()}

    def states(self) -> Mapping[str, GuardState]:
        return {code: system.state for code, system in self.built.items()}

    async def by_code(self, code: str) -> PaymentSystem:
        """Also one that is switched off or archived: what it still owes has to be asked of it.

        Raises PaymentSystemUnavailable for one that is unknown or not fit for use here.
        """
        known = self._built.get(code)
        if known is not None and self._monotonic() < known.look_again_at:
            return known.system
        asked_at = self._monotonic()
        look = await self._looked(since=asked_at - self._fresh_s)
        if code not in look.rows:  # it may have been registered while that look was under way
            look = await self._looked(since=asked_at)
        row = look.rows.get(code)
        if row is None:
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not in use.")
        known = self._built.get(code)  # another call may have been quicker
        if known is None or (known.adapter, known.settings) != (row.adapter, row.settings):
            system = self._guarded(row)
            if known is not None:
                self._left_behind.append(known.system)  # calls may be under way through it
            known = self._built[code] = _Built(system, row.adapter, row.settings, 0.0)
        known.look_again_at = look.began_at + self._fresh_s
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
        if "api_url" in settings and "secret_key" not in settings:  # what is known here is not sent to a new address
            raise InvalidRegistration("settings.secret_key", "a new address needs its key with it")
        for name in sorted(kind.settings - {*settings, *known, *self._given.get(adapter, {})}):
            raise InvalidRegistration(f"settings.{name}", f"the adapter {adapter} needs it")

    async def accounts(self) -> list[list[str]]:
        """All that are registered, archived ones too, for they may owe us an answer still: the codes of each account.

        An account's lists hold the payments of all codes that speak to it. The oldest code is first.
        """
        found: dict[object, list[str]] = {}
        for row in await self._read():
            kind = self._kind(row.adapter)
            try:
                given = self._settings(row) if kind is not None else {}
                whose: object = (row.adapter, *(given.get(name) for name in sorted(kind.account if kind else ())))
            except PaymentSystemUnavailable:  # nobody can say whose it is
                whose = row.code
            found.setdefault(whose, []).append(row.code)
        return list(found.values())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await self._engine.dispose()
        for system in (*self.built.values(), *self._left_behind):
            await system.close()

    async def _looked(self, since: float) -> _Look:
        """A look at the registry that began at `since` or later: one at a time, shared by all who ask meanwhile."""
        while True:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
                # Whoever waits for it is told of its error; where nobody is left, nobody needs to know.
                self._looking.add_done_callback(lambda look: look.cancelled() or look.exception())
            look = await asyncio.shield(self._looking)
            if look.began_at >= since:
                return look

    async def _look(self) -> _Look:
        began_at = self._monotonic()
        return _Look(began_at, {row.code: row for row in await self._read()})

    async def _read(self) -> Sequence[_Row]:
        async with asyncio.timeout(_PATIENCE_S), self._engine.connect() as connection:
            return (await connection.execute(_ROWS)).all()

    def _kind(self, adapter: str) -> Adapter | None:
        kind = ADAPTERS.get(adapter)
        return kind if kind is not None and (kind.fit_for_production or not self._production) else None

    def _guarded(self, row: _Row) -> Guarded:
        deadline_s = self._limits.get(row.adapter, {}).get("deadline_s", 10.0)
        return Guarded(self._made(row), wait_s=_IN_LINE * deadline_s, deadline_s=deadline_s)

    def _made(self, row: _Row) -> PaymentSystem:
        kind, code = self._kind(row.adapter), row.code
        if kind is None:
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} is not fit for use here.")
        settings = self._settings(row)
        if not kind.settings <= settings.keys():
            raise PaymentSystemUnavailable(f"The payment system {code[:64]} lacks settings.")
        return kind.build(self._clock, settings, self._limits.get(row.adapter, {}))

    def _settings(self, row: _Row) -> dict[str, str]:
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
