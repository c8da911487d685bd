"""`billing rebuild-history` and `billing rebuild-cache`: the projections anew from Postgres, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infrastructure.elasticsearch.history_writer import HistoryWriter
from infrastructure.elasticsearch.line import ElasticsearchLine
from infrastructure.redis.line import RedisLine
from jobs.projection import rebuild
from jobs.projector import make_clock, make_engine, make_indices
from settings import Settings


class NoElasticsearch(Exception):  # noqa: N818 -- read by people
    """History is read from Postgres here; there is nothing to rebuild."""


async def rebuild_history(settings: Settings) -> int:
    """How many payments there are now in Elasticsearch.

    Raises NoElasticsearch, HeldByAnother (a rebuild is under way), ElasticsearchUnavailable.
    """
    if settings.elasticsearch_url in (None, "none"):
        raise NoElasticsearch("BILLING_ELASTICSEARCH_URL is not set: history is read from Postgres")
    engine = make_engine(settings)
    line = ElasticsearchLine(str(settings.elasticsearch_url), patience_s=10, pause_s=0)
    indices = make_indices(engine, line)
    try:
        with bar("payments") as progress:
            return await rebuild.rebuild_history(
                engine, indices, HistoryWriter(line, indices), settings.base_url, progress
            )
    finally:
        await line.close()
        await engine.dispose()


async def rebuild_cache(settings: Settings) -> int:
    """How many users were gone through. Raises RedisUnavailable."""
    assert settings.redis_url is not None, "BILLING_REDIS_URL: there is no cache without it"
    engine = make_engine(settings)
    redis = RedisLine(settings.redis_url, patience_s=10)
    try:
        with bar("users") as progress:
            return await rebuild.rebuild_cache(engine, redis, make_clock(settings), settings.rules, progress)
    finally:
        await redis.close()
        await engine.dispose()


@contextmanager
def bar(what: str) -> Iterator[rebuild.Progress]:
    """A progress bar on the screen, to be told of what is done."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
