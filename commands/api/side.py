"""What the HTTP side of the commands is given by bootstrap.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.executor import Executor
from commands.world import World
from domain.events import Actor
from domain.ports import OpenUnitOfWork


@dataclass(frozen=True, slots=True)
class CommandSide:
    """`executor` and `open_uow` act in somebody's name, within one request."""

    world: World
    executor: Callable[[Actor, str | None], Executor]
    open_uow: Callable[[Actor, str | None], OpenUnitOfWork]
    base_url: str
    check_sender: bool
    trusted_proxies: tuple[str, ...]
