"""The floor of reads over HTTP: a bare FastAPI route that gets the same bytes, with no auth and nothing else.

`python -m tests.performance.floor PORT REDIS_URL [ELASTICSEARCH_URL]`, served as the service itself is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from elasticsearch import AsyncElasticsearch
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.responses import Response


def bare_app(redis_url: str, elasticsearch_url: str | None) -> FastAPI:
    redis = Redis.from_url(redis_url)
    elasticsearch = AsyncElasticsearch(elasticsearch_url) if elasticsearch_url else None

    @asynccontextmanager
    async def closes(_: FastAPI) -> AsyncIterator[None]:
        yield
        await redis.aclose()
        if elasticsearch is not None:
            await elasticsearch.close()

    app = FastAPI(lifespan=closes)

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.get("/redis/{key}")
    async def from_redis(key: str) -> Response:
        return Response(cast("bytes", await redis.get(key)), media_type="application/json")

    @app.get("/elasticsearch/{key}")
    async def from_elasticsearch(key: str) -> Response:
        """The search that stands under the key: its parameters and its body, as the service sends them."""
        assert elasticsearch is not None
        search = _SEARCHES.get(key) or _SEARCHES.setdefault(key, json.loads(cast("bytes", await redis.get(key))))
        found = await elasticsearch.search(index="payments", routing=search["routing"], body=search["body"])
        documents = ",".join(hit["_source"]["document"] for hit in found["hits"]["hits"])
        return Response(f'{{"items":[{documents}]}}', media_type="application/json")

    return app


_SEARCHES: dict[str, dict[str, Any]] = {}


def main() -> None:
    port, redis_url, *more = sys.argv[1:]
    uvicorn.run(
        bare_app(redis_url, more[0] if more else None),
        host="127.0.0.1",
        port=int(port),
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
