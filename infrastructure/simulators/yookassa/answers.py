"""Answers of the API, whole ones and those that a fault has spoiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from infrastructure.simulators.yookassa.faults import Fault
from infrastructure.simulators.yookassa.problems import Problem
from infrastructure.simulators.yookassa.wire import CutOff, Hang, Reset

_HANG_S = 60.0
_RETRY_AFTER_S = 1

_BAD_GATEWAY = b"""<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>
</html>
"""


def answer(body: Any, status: int = 200) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(content, status, media_type="application/json")


def problem(refusal: Problem) -> Response:
    response = answer(refusal.body(), refusal.status)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="YooMoney API"'
    return response


def spoiled(fault: Fault, whole: Response | None) -> Response:
    """What the fault makes of an answer; `whole` is None where the work was not done."""
    content = bytes(whole.body) if whole is not None else b'{"id":"'
    status = whole.status_code if whole is not None else 200
    retry_after = fault.retry_after if fault.retry_after is not None else _RETRY_AFTER_S
    make: dict[str, Callable[[], Response]] = {
        "no_answer": lambda: Hang(fault.seconds or _HANG_S),
        "reset": Reset,
        "error_500": lambda: problem(Problem(500, "internal_server_error", "Internal server error")),
        "too_many_requests": lambda: _too_many(retry_after),
        "bad_gateway": lambda: Response(_BAD_GATEWAY, 502, media_type="text/html"),
        "truncated": lambda: Response(content[: max(1, len(content) // 2)], status, media_type="application/json"),
        "cut_off": lambda: CutOff(content, status, media_type="application/json"),
        "garbage": lambda: Response(b"\x1f\x8b\x00\xffnot JSON\x00", 200, media_type="application/json"),
        "accepted": lambda: _accepted(retry_after),
    }
    return make[fault.kind]()


def _too_many(retry_after: int) -> Response:
    refusal = problem(Problem(429, "too_many_requests", "Too many requests, try again later"))
    refusal.headers["Retry-After"] = str(retry_after)
    return refusal


def _accepted(retry_after: int) -> Response:
    description = "Request accepted, but not processed yet. Retry the request with the same idempotence key"
    return answer({"type": "processing", "description": description, "retry_after": retry_after * 1000}, 202)


def outage(fault: Fault) -> Response:
    if fault.mode == "hang":
        return Hang(fault.seconds or _HANG_S)
    if fault.mode == "refuse":
        return Reset()
    return Response(b"Service Unavailable", 503, media_type="text/plain")
