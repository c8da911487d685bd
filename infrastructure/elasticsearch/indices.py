"""The indices of the history: one a month, in generations, so that a rebuild is swapped in with no gap.

    payments-g1699-2026-01, …   a generation's months; `payments` is the alias that shows one generation
    payments.state              which generation is shown, and which one is being built

The writer puts documents into every generation that the state names. An Elasticsearch that was emptied has no state:
nothing is written then until a rebuild is through, and nothing half-full is ever shown.

Every month is written by an alias of its own with `require_alias`, so nothing is ever made by accident.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from infrastructure.elasticsearch.history_document import MAPPING
from infrastructure.elasticsearch.line import ElasticsearchLine, ElasticsearchRefusal

Exclusive = Callable[[], AbstractAsyncContextManager[None]]
_SLOW_S: Final = 30.0
"""Making and removing indices may take a busy cluster that long."""
_LAST_READERS_S: Final = 2.0
"""Searches that began before the alias was moved are let through before their indices go."""


@dataclass(frozen=True, slots=True)
class Generations:
    """`shown`: what the alias shows, None before the first rebuild is through; `built`: what a rebuild is filling."""

    shown: str | None
    built: str | None = None

    def all(self) -> tuple[str, ...]:
        """In the order of writing: what could be seen in the shown one is in the built one when that is swapped in."""
        return tuple(one for one in (self.built, self.shown) if one is not None)


class RebuildOvertaken(Exception):  # noqa: N818 -- named for what happened
    """The generation that was being built is not the one that the state names."""


class HistoryIndices:
    """`exclusive`: a lock between processes, held while an index is made or the alias is moved."""

    def __init__(
        self, line: ElasticsearchLine, exclusive: Exclusive, *, alias: str = "payments", shards: int = 1
    ) -> None:
        self.alias = alias
        self._line = line
        self._exclusive = exclusive
        self._shards = shards
        self._made: set[tuple[str, str]] = set()

    async def generations(self) -> Generations | None:
        """None where there are none: a new Elasticsearch, or one that was emptied."""
        try:
            answer = await self._line.ask("GET", f"{self.alias}.state/_doc/generations")
        except ElasticsearchRefusal as error:
            if error.status == 404:
                return None
            raise
        return Generations(answer["_source"]["shown"], answer["_source"]["built"])

    def write_alias(self, generation: str, month: str) -> str:
        return f"{self._index(generation, month)}.write"

    async def make(self, generation: str, months: Iterable[str]) -> None:
        """Make the months' indices that are not there yet; the shown generation's become part of the alias."""
        missing = [month for month in months if (generation, month) not in self._made]
        if not missing:
            return
        async with self._exclusive():
            state = await self.generations()
            for month in missing:
                await self._make(generation, month, shown=state is not None and state.shown == generation)
                self._made.add((generation, month))

    def forget(self) -> None:
        """What was made may be gone."""
        self._made.clear()

    async def begin(self) -> str:
        """Begin a new generation beside the shown one; what an earlier rebuild left unfinished is given up."""
        built = f"g{time.time_ns() // 1_000_000}"
        async with self._exclusive():
            state = await self.generations()
            await self._describe()
            await self._keep(Generations(state.shown if state else None, built))
        return built

    async def show(self, built: str) -> None:
        """Move the alias to a generation in one step, then remove all others.

        Raises RebuildOvertaken where nobody has written to it for a while: another rebuild has begun, or
        Elasticsearch was emptied.
        """
        month = time.strftime("%Y-%m", time.gmtime())
        async with self._exclusive():
            state = await self.generations()
            if state is None or state.built != built:
                raise RebuildOvertaken(built)
            await self._make(built, month, shown=False)  # an alias needs an index, even where nobody has paid yet
            await self._line.ask("POST", f"{self._pattern(built)}/_refresh", patience_s=_SLOW_S)
            others = [name for name in await self._existing() if not self._is_of(built, name)]
            actions: list[dict[str, Any]] = [{"add": {"index": self._pattern(built), "alias": self.alias}}]
            actions += [{"remove": {"index": name, "alias": self.alias, "must_exist": False}} for name in others]
            await self._line.ask("POST", "_aliases", {"actions": actions}, patience_s=_SLOW_S)
            await self._keep(Generations(built))
        self.forget()
        if others:
            await asyncio.sleep(_LAST_READERS_S)
            await self._remove(others)

    async def _remove(self, names: list[str]) -> None:
        if names:
            actions = [{"remove_index": {"index": name}} for name in names]
            await self._line.ask("POST", "_aliases", {"actions": actions}, patience_s=_SLOW_S)

    async def give_up(self, built: str) -> None:
        """Remove a generation that a rebuild has left unfinished."""
        async with self._exclusive():
            state = await self.generations()
            if state is None or state.built != built:
                return
            if state.shown is None:
                await self._line.ask("DELETE", f"{self.alias}.state/_doc/generations", patience_s=_SLOW_S)
            else:
                await self._keep(Generations(state.shown))
            await self._remove([name for name in await self._existing() if self._is_of(built, name)])
        self.forget()

    def _is_of(self, generation: str, index: str) -> bool:
        return index.startswith(f"{self.alias}-{generation}-")

    async def _make(self, generation: str, month: str, *, shown: bool) -> None:
        index = self._index(generation, month)
        aliases: dict[str, Any] = {self.write_alias(generation, month): {"is_write_index": True}}
        if shown:
            aliases[self.alias] = {}
        try:
            await self._line.ask("PUT", index, {"aliases": aliases}, patience_s=_SLOW_S)
        except ElasticsearchRefusal as error:
            if error.kind != "resource_already_exists_exception":
                raise

    async def _describe(self) -> None:
        """The template from which every month is made."""
        settings = {
            "number_of_shards": self._shards,
            "auto_expand_replicas": "0-1",
            "refresh_interval": "30s",  # the writer refreshes when it has written
            # A person's payments lie side by side, the newest first: a page reads few blocks.
            "sort.field": ["user_id", "created_us"],
            "sort.order": ["asc", "desc"],
            "codec": "default",
        }
        template = {
            "index_patterns": [f"{self.alias}-g*"],
            "priority": 500,
            "template": {"settings": {"index": settings}, "mappings": MAPPING},
        }
        await self._line.ask("PUT", f"_index_template/{self.alias}", template, patience_s=_SLOW_S)

    async def _keep(self, state: Generations) -> None:
        body = {"shown": state.shown, "built": state.built}
        await self._line.ask("PUT", f"{self.alias}.state/_doc/generations", body, patience_s=_SLOW_S)

    async def _existing(self) -> list[str]:
        answer = await self._line.ask("GET", f"{self._pattern('g*')}/_alias", patience_s=_SLOW_S)
        return sorted(answer)

    def _index(self, generation: str, month: str) -> str:
        return f"{self.alias}-{generation}-{month}"

    def _pattern(self, generation: str) -> str:
        return f"{self.alias}-{generation}-*"
