"""One kind of object, what the payment system lists of some hours against ours: what payments and refunds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from commands.patience import CLOCKS_DIFFER_BY
from commands.world import World
from domain.differences import unreadable
from domain.errors import RuleBroken
from domain.payment import Payment
from domain.payment_system import NotFound, PaymentSnapshot, RefundSnapshot, Silence, Unreadable
from domain.ports import OpenUnitOfWork, PaymentSystem
from domain.reconciliation import Finding, PaymentSystemSilent
from domain.refund import Refund

Ours = TypeVar("Ours", Payment, Refund)
Theirs = TypeVar("Theirs", PaymentSnapshot, RefundSnapshot)

BeginRepair = Callable[[Finding], Awaitable[None]]
"""Commits the finding before it is repaired, so that a repair cut short by a crash stays in the report."""

TOO_MANY = 500
"""So many objects of one piece that are not known there are no differences but the wrong books."""
_LOOKS = 3
_BATCH = 200


class Comparison(ABC, Generic[Ours, Theirs]):
    """`codes`: under which the registry knows the payment system's account. Raises PaymentSystemSilent."""

    what: ClassVar[str]

    def __init__(
        self,
        codes: Sequence[str],
        system: PaymentSystem,
        open_uow: OpenUnitOfWork,
        world: World,
        begin_repair: BeginRepair,
    ) -> None:
        self._codes, self._code, self._system = codes, codes[0], system
        self._open_uow, self._world, self._begin_repair = open_uow, world, begin_repair

    # --- what each kind says of itself ---------------------------------------------------------------
    @abstractmethod
    def listed(self, created_from: datetime, created_to: datetime) -> AsyncIterator[Theirs | Unreadable]:
        """What the payment system lists."""

    @abstractmethod
    async def _differing(self, ours: list[Ours], listed: list[Theirs]) -> Callable[[Ours | None, Theirs], bool]:
        """How to tell at a first glance whether two of them differ; `ours`: those that belong to `listed`."""

    @abstractmethod
    async def _treat(self, ours: Ours | None, theirs: Theirs | None) -> list[Finding]:
        """The differences of both sides as they are at one moment, repaired where that is safe."""

    @abstractmethod
    def _names(self, theirs: Theirs) -> tuple[str, UUID | None]:
        """Its id there, and ours if it carries that."""

    @abstractmethod
    def _id_there(self, ours: Ours) -> str | None: ...

    @abstractmethod
    async def _rows(self, provider_ids: list[str], our_ids: list[UUID]) -> list[Ours]:
        """Ours with one of these ids."""

    @abstractmethod
    async def _made(self, created_from: datetime, created_to: datetime, after: Ours | None, limit: int) -> list[Ours]:
        """Ours of that time which the payment system has to know, page by page."""

    @abstractmethod
    async def _get(self, provider_id: str) -> Theirs | NotFound | Silence: ...

    @abstractmethod
    async def _find(self, our_id: UUID, since: datetime, until: datetime) -> Theirs | NotFound | Silence: ...

    # --- what they do alike --------------------------------------------------------------------------
    async def compare(
        self, listed: Sequence[Theirs | Unreadable], created_from: datetime, created_to: datetime
    ) -> list[Finding]:
        """All that differs. `listed`: everything that the payment system has of that time."""
        odd = [each for each in listed if isinstance(each, Unreadable)]
        found, seen = await self._unreadable(odd)
        found += await self._differences([each for each in listed if not isinstance(each, Unreadable)], seen)
        return found + await self._not_listed(seen, created_from, created_to)

    async def _unreadable(self, odd: list[Unreadable]) -> tuple[list[Finding], set[UUID]]:
        """For a person to look at; one odd object, a stranger's perhaps, must not end the comparison of all others."""
        ours = await self._rows([each.provider_id for each in odd if each.provider_id], []) if odd else []
        known = {self._id_there(each): each for each in ours}
        found = []
        for each in odd:
            mine = known.get(each.provider_id) if each.provider_id else None
            found.append(unreadable(self._code, self.what, each, mine))
        return found, {each.id for each in ours}

    async def _differences(self, listed: list[Theirs], seen: set[UUID]) -> list[Finding]:
        """Of what is listed; ours among it are added to `seen`."""
        found: list[Finding] = []
        names = [self._names(each) for each in listed]
        ours = await self._rows([there for there, _ in names], [our_id for _, our_id in names if our_id is not None])
        by_provider_id = {self._id_there(each): each for each in ours}
        by_id = {each.id: each for each in ours}
        differ = await self._differing(ours, listed)
        for theirs, (provider_id, our_id) in zip(listed, names, strict=True):
            mine = by_provider_id.get(provider_id)
            if mine is None and our_id is not None:
                mine = by_id.get(our_id)
            if mine is not None and self._id_there(mine) in (None, provider_id):
                seen.add(mine.id)
            if differ(mine, theirs):
                found += await self._look(provider_id, mine.id if mine else our_id)
        return found

    async def _not_listed(self, seen: set[UUID], created_from: datetime, created_to: datetime) -> list[Finding]:
        """Ours of that time that the list did not have, each asked for singly before anything is said of it."""
        found: list[Finding] = []
        after: Ours | None = None
        while True:
            made = await self._made(created_from, created_to, after, _BATCH)
            for mine in made:
                if mine.id not in seen:
                    found += await self._look(self._id_there(mine), mine.id)
                if len(found) > TOO_MANY:
                    told = f"it does not know {len(found)} {self.what} of ours: is this the same shop?"
                    raise PaymentSystemSilent(told)
            if len(made) < _BATCH:
                return found
            after = made[-1]

    async def _look(self, provider_id: str | None, our_id: UUID | None) -> list[Finding]:
        """Look at both sides once more: the list is older than our books by now, and either may have moved."""
        for _ in range(_LOOKS):
            before = await self._ours(provider_id, our_id)
            theirs = await self._theirs(provider_id, before)
            if isinstance(theirs, Unreadable):
                return [unreadable(self._code, self.what, theirs, before)]
            ours = await self._ours(provider_id, our_id)
            if (before and (before.id, before.version)) == (ours and (ours.id, ours.version)):
                return await self._treat(ours, theirs)
        return []  # it is being worked on; the next run sees how it ended

    async def _ours(self, provider_id: str | None, our_id: UUID | None) -> Ours | None:
        found = await self._rows([provider_id] if provider_id else [], [our_id] if our_id else [])
        by_provider_id = [each for each in found if provider_id and self._id_there(each) == provider_id]
        return next(iter(by_provider_id or found), None)

    async def _theirs(self, provider_id: str | None, ours: Ours | None) -> Theirs | Unreadable | None:
        """Unreadable where it tells of all but this one: every night would end there, and no later day be looked at."""
        answer: Theirs | NotFound | Silence = NotFound()
        if provider_id is not None:
            answer = await self._get(provider_id)
        elif ours is not None:  # settled, and its id there is not known: only the list can tell
            until = (ours.settled_at or self._world.clock.now()) + CLOCKS_DIFFER_BY
            answer = await self._find(ours.id, ours.created_at - CLOCKS_DIFFER_BY, until)
        if isinstance(answer, Silence):
            if answer.only_this:
                return Unreadable(provider_id, answer.why)
            raise PaymentSystemSilent(answer.why)
        return None if isinstance(answer, NotFound) else answer


def why(error: Exception) -> str:
    """What can be shown: a driver's message would carry the row's values."""
    return error.detail if isinstance(error, RuleBroken) else type(error).__name__
