"""A payment system that takes everything and answers in 5 ms: `python -m tests.performance.quick_shop PORT`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_ANSWERS_IN_S = 0.005


async def healthz(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def charge(request: Request) -> JSONResponse:
    body = await request.json()
    await asyncio.sleep(_ANSWERS_IN_S)
    answer = {
        "id": str(uuid4()),
        "status": "succeeded",
        "paid": True,
        "amount": body["amount"],
        "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "metadata": body.get("metadata", {}),
        "payment_method": {"type": "bank_card", "id": body["payment_method_id"], "saved": True},
    }
    return JSONResponse(answer)


def main() -> None:
    app = Starlette(routes=[Route("/healthz", healthz), Route("/v3/payments", charge, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
