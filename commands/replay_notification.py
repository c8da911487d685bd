"""Look once more at a notification that was set aside because it could not be followed (invariant 5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.errors import NotFoundHere, NotSetAside
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class ReplayNotification:
    entry_id: UUID


@dataclass(frozen=True, slots=True)
class Replayed:
    entry_id: UUID


async def replay_notification(command: ReplayNotification, uow: UnitOfWork) -> Replayed:
    """Put it back among those that wait, with all its tries; a worker follows it at its next round."""
    status = await uow.inbox.replay(command.entry_id)
    if status is None:
        raise NotFoundHere("notification")
    if status != "set_aside":
        raise NotSetAside(f"It is {status}: only a notification that was set aside can be followed again.")
    return Replayed(command.entry_id)
