"""What holds for all money that has moved outside the service and is only told of here (SUB-4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from commands.world import World
from domain.errors import InvalidField

_CLOCKS_DIFFER_BY = timedelta(minutes=1)


def require_past(field: str, at: datetime, world: World) -> None:
    """It is said to have moved, so not in the future, by the service's clock or the wall's; raises InvalidField.

    Money outside goes by the wall's clock; the service's may be held.
    """
    if at > max(world.clock.now(), world.wall.now()) + _CLOCKS_DIFFER_BY:
        raise InvalidField(field, "lies in the future")
