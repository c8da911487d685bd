"""The indices of the history: one a month, in generations, so that a rebuild is swapped in with no gap.

    payments-g1699-2026-01, …   a generation's months; `payments` is the alias that shows one generation
    payments.state              which generation is shown, which one is being built, and the indices of both

The writer puts documents into every generation that the state names. An Elasticsearch that was emptied has no state:
nothing is written then until a rebuild is through, and nothing half-full is ever shown. Where an index that the state
names is gone, its generation is dropped as a whole: a month made anew in its place would hold the newest rows only.

Every month is written by an alias of its own with `require_alias`, so nothing is ever made by accident.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
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
    """`shown`: what the alias shows, None before the first rebuild is through; `built`: what a rebuild is filling.

    `indices`: what was made for the two, and has to be there.
    """

    shown: str | None
    built: str | None = None
    indices: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """In the order of writing: what could be seen in the shown one is in the built one when that is swapped in."""
        return tuple(one for one in (self.built, self.shown) if one is not None)


class HistoryIsGone(Exception):  # noqa: N818 -- named for what happened
    """An index that should be there is not: Elasticsearch was emptied, or a generation was given up."""


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
        kept = answer["_source"]
        return Generations(kept["shown"], kept["built"], tuple(kept.get("indices", ())))

    def write_alias(self, generation: str, month: str) -> str:
        return f"{self._index(generation, month)}.write"

    async def make(self, generation: str, months: Iterable[str]) -> None:
        """Make the months' indices that are not there yet; the shown generation's become part of the alias.

        Raises HistoryIsGone where the generation is none of the state's, or one of its months is gone: what is left
        of it is dropped then.
        """
        missing = [month for month in months if (generation, month) not in self._made]
        if not missing:
            return
        async with self._exclusive():
            state = await self.generations()
            if state is None or generation not in state.all():
                raise HistoryIsGone(f"{generation} is neither shown nor built")
            there = await self._there(state)
            if lost := set(state.indices) - there:
                await self._drop(state, lost)
                raise HistoryIsGone(", ".join(sorted(lost)))
            for month in missing:
                await self._make(generation, month, shown=state.shown == generation)
            made = there | {self._index(generation, month) for month in missing}
            if made != set(state.indices):  # before anything is written into them
                await self._keep(replace(state, indices=tuple(sorted(made))))
            self._made |= {(generation, month) for month in missing}

    def forget(self) -> None:
        """What was made may be gone."""
        self._made.clear()

    async def drop_what_has_a_gap(self) -> bool:
        """Whether a generation had lost a month, which nobody may be writing to; it is dropped then."""
        state = await self.generations()
        if state is None or not set(state.indices) - await self._there(state):
            return False
        async with self._exclusive():  # and looked at again, for it may have been swapped meanwhile
            state = await self.generations()
            lost = set() if state is None else set(state.indices) - await self._there(state)
            if state is not None and lost:
                await self._drop(state, lost)
        return bool(lost)

    async def begin(self) -> str:
        """Begin a new generation beside the shown one; what an earlier rebuild left unfinished is given up."""
        built = f"g{time.time_ns() // 1_000_000}"
        async with self._exclusive():
            state = await self.generations()
            await self._describe()
            shown = state.shown if state else None
            await self._keep(Generations(shown, built, self._indices_of(shown, state)))
        return built

    async def show(self, built: str) -> None:
        """Move the alias to a generation in one step, then remove all others.

        Raises RebuildOvertaken where nobody has written to it for a while: another rebuild has begun, or
        Elasticsearch was emptied, be it of a single month.
        """
        month = time.strftime("%Y-%m", time.gmtime())
        async with self._exclusive():
            state = await self.generations()
            if state is None or state.built != built:
                raise RebuildOvertaken(built)
            filled = set(self._indices_of(built, state))
            if filled - await self._there(state):
                raise RebuildOvertaken(built)
            await self._make(built, month, shown=False)  # an alias needs an index, even where nobody has paid yet
            await self._line.ask("POST", f"{self._pattern(built)}/_refresh", patience_s=_SLOW_S)
            others = [name for name in await self._existing() if not self._is_of(built, name)]
            actions: list[dict[str, Any]] = [{"add": {"index": self._pattern(built), "alias": self.alias}}]
            actions += [{"remove": {"index": name, "alias": self.alias, "must_exist": False}} for name in others]
            await self._line.ask("POST", "_aliases", {"actions": actions}, patience_s=_SLOW_S)
            await self._keep(Generations(built, None, tuple(sorted(filled | {self._index(built, month)}))))
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
            await self._keep(Generations(state.shown, None, self._indices_of(state.shown, state)))
            await self._remove([name for name in await self._existing() if self._is_of(built, name)])
        self.forget()

    async def _drop(self, state: Generations, lost: set[str]) -> None:
        """Show and fill no more what has lost an index; whatever is cut short here is found by the next who looks."""
        shown, built = (
            None if one is None or any(self._is_of(one, name) for name in lost) else one
            for one in (state.shown, state.built)
        )
        existing = await self._existing()
        dropped = [name for name in existing if not self._is_one_of((shown, built), name)]
        if seen := [name for name in dropped if self.alias in existing[name]]:
            actions = [{"remove": {"index": name, "alias": self.alias}} for name in seen]
            await self._line.ask("POST", "_aliases", {"actions": actions}, patience_s=_SLOW_S)
        kept = (*self._indices_of(shown, state), *self._indices_of(built, state))
        await self._keep(Generations(shown, built, kept))
        await self._remove(dropped)
        self.forget()

    async def _there(self, state: Generations) -> set[str]:
        """The indices of the state's generations that can be written to and, where they are shown, read."""
        found: set[str] = set()
        for name, aliases in (await self._existing()).items():
            needed = {f"{name}.write"} | ({self.alias} if self._is_one_of((state.shown,), name) else set())
            if self._is_one_of(state.all(), name) and needed <= aliases:
                found.add(name)
        return found

    def _indices_of(self, generation: str | None, state: Generations | None) -> tuple[str, ...]:
        return tuple(name for name in (state.indices if state else ()) if self._is_one_of((generation,), name))

    def _is_one_of(self, generations: Iterable[str | None], index: str) -> bool:
        return any(one is not None and self._is_of(one, index) for one in generations)

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
        """A state without a generation is none."""
        path = f"{self.alias}.state/_doc/generations"
        if not state.all():
            await self._line.ask("DELETE", path, patience_s=_SLOW_S)
            return
        body = {"shown": state.shown, "built": state.built, "indices": state.indices}
        await self._line.ask("PUT", path, body, patience_s=_SLOW_S)

    async def _existing(self) -> dict[str, set[str]]:
        """Every generation's indices, each with the aliases that it has."""
        answer = await self._line.ask("GET", f"{self._pattern('g*')}/_alias", patience_s=_SLOW_S)
        return {name: set(answer[name]["aliases"]) for name in sorted(answer)}

    def _index(self, generation: str, month: str) -> str:
        return f"{self.alias}-{generation}-{month}"

    def _pattern(self, generation: str) -> str:
        return f"{self.alias}-{generation}-*"
