"""What the HTTP side of the commands is given by bootstrap.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.executor import Executor
from commands.world import World
from domain.events import Actor
from domain.ports import Adapters, Directory, Intake


@dataclass(frozen=True, slots=True)
class CommandSide:
    """`executor` acts in somebody's name, within one request."""

    world: World
    intake: Intake
    directory: Directory | None
    adapters: Adapters
    executor: Callable[[Actor, str | None], Executor]
    base_url: str
    check_sender: bool
    trusted_proxies: tuple[str, ...]
