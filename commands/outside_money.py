"""What holds for all money that has moved outside the service and is only told of here (SUB-4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from commands.world import World
from domain.errors import InvalidField

_CLOCKS_DIFFER_BY = timedelta(minutes=1)


def require_past(field: str, at: datetime, world: World) -> None:
    """It is said to have moved, so not in the future; raises InvalidField."""
    if at > world.clock.now() + _CLOCKS_DIFFER_BY:
        raise InvalidField(field, "lies in the future")
