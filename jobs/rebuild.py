"""`billing rebuild-history` and `billing rebuild-cache`: the projections anew from Postgres, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bootstrap import build_projections, history_index, history_line, projection_engine
from jobs.projection import rebuild
from settings import Settings


class NoElasticsearch(Exception):  # noqa: N818 -- read by people
    """History is read from Postgres here; there is nothing to rebuild."""


async def rebuild_history(settings: Settings) -> int:
    """How many payments there are now in Elasticsearch.

    Raises NoElasticsearch, HeldByAnother (a rebuild is under way), ElasticsearchUnavailable.
    """
    line = history_line(settings, patience_s=10)
    if line is None:
        raise NoElasticsearch("BILLING_ELASTICSEARCH_URL is not set: history is read from Postgres")
    engine = projection_engine(settings)
    history = history_index(engine, line, settings.history_shards)
    try:
        with bar("payments") as progress:
            return await rebuild.rebuild_history(engine, history.indices, history.writer, settings.base_url, progress)
    finally:
        await line.close()
        await engine.dispose()


async def rebuild_cache(settings: Settings) -> int:
    """How many users were gone through. Raises RedisUnavailable."""
    wired = build_projections(settings, redis_patience_s=10)
    try:
        with bar("users") as progress:
            return await rebuild.rebuild_cache(wired.engine, wired.redis, wired.clock, wired.rules, progress)
    finally:
        await wired.close()


@contextmanager
def bar(what: str) -> Iterator[rebuild.Progress]:
    """A progress bar on the screen, to be told of what is done."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
