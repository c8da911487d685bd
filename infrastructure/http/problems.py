"""How trouble is told: `application/problem+json` (RFC 9457) with codes that callers can rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.responses import Response

from domain.errors import RuleBroken
from infrastructure.json_text import dump
from infrastructure.observability.request_id import current_request_id

RETRY_AFTER_S: Final = 2
MAX_FIELD: Final = 100
MAX_ERRORS: Final = 20

_STATUS_OF: Final[Mapping[str, int]] = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "plan_not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "idempotency_key_required": 400,
    "idempotency_key_invalid": 400,
    "idempotency_key_reused": 422,
    "payment_system_unavailable": 422,
    "card_not_supported": 422,
    "card_invalid": 422,
    "binding_not_possible": 422,
    "internal_error": 500,
    "unavailable": 503,
}


def _status_of(code: str) -> int:
    """Every other code is a conflict, 409."""
    return _STATUS_OF.get(code, 409)


_COME_AGAIN: Final = frozenset({"idempotency_key_in_use", "unavailable"})
"""What passes by itself."""
_MAY_COME_AGAIN: Final = frozenset(_status_of(code) for code in _COME_AGAIN)


class FieldError(BaseModel):
    field: str
    message: str


class ProblemDocument(BaseModel):
    """What an answer with an error looks like; some codes add members of their own, e.g. `current_price`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldError] | None = None


class Problem(Exception):  # noqa: N818 -- an answer to the caller, not a malfunction
    """Ends a request with an error. `errors`: (field, what is wrong with it)."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status or _status_of(code)
        self.errors = tuple((field[:MAX_FIELD], message) for field, message in errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def response(self) -> Response:
        document: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": current_request_id(),
        }
        if self.errors:
            document["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        body = dump({**self.extra, **document})
        return Response(body, self.status, self.headers, media_type="application/problem+json")


def invalid(field: str, message: str) -> Problem:
    """422 for one field."""
    return Problem("validation_failed", "What was sent is not valid.", errors=[(field, message)])


def unavailable(detail: str = "The service can't answer now; try again soon.") -> Problem:
    """503: what the answer needs is down."""
    return Problem("unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def from_broken_rule(broken: RuleBroken) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if broken.code in _COME_AGAIN else None
    return Problem(broken.code, broken.detail, headers=headers, extra=broken.extra)


def from_validation(error: RequestValidationError) -> Problem:
    """Names the fields and what is expected of them; never repeats what was sent, which may be a card number."""
    found = error.errors()
    errors = [(_field(one["loc"], error.body), _said(one)) for one in found[:MAX_ERRORS]]
    more = f" {len(found) - MAX_ERRORS} more errors are not listed." if len(found) > MAX_ERRORS else ""
    return Problem("validation_failed", f"What was sent is not valid.{more}", errors=errors)


def _field(location: Sequence[int | str], body: object) -> str:
    """Its path in what was sent. pydantic also names which kind of a thing it took it for, by what `type` says."""
    path, at = [], body
    for part in location[1:] or location:
        is_kind = isinstance(at, dict) and part not in at and at.get("type") == part
        if not is_kind:
            path.append(str(part))
            at = at.get(part) if isinstance(at, dict) else None
    return ".".join(path)


def _said(found: Mapping[str, Any]) -> str:
    """pydantic's words without those that come from the input: a tag, and what a parser stumbled over."""
    kind, message, about = found["type"], str(found["msg"]), found.get("ctx") or {}
    if kind == "union_tag_invalid":
        return f"Input should be one of {about['expected_tags']}"
    if kind in ("value_error", "assertion_error"):
        return message  # our own validators never repeat what they were given
    for reason in ("error", "encoding_error", "attribute", "tz_actual"):
        if reason in about:
            message = message.partition(str(about[reason]))[0].rstrip(" ,:'")
    return message


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these statuses answer with a problem, some of them with when to come again."""
    return {status: _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}},
        },
    }
    if status in _MAY_COME_AGAIN:
        about = "Seconds after which the same request may do better; sent where its code is one of those."
        described["headers"] = {"Retry-After": {"description": about, "schema": {"type": "integer", "minimum": 0}}}
    return described
