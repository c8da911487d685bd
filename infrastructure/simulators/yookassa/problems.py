"""Refusals, in the words and bodies of YooKassa."""

from __future__ import annotations

import uuid
from typing import Any


class Problem(Exception):  # noqa: N818 # an answer rather than a mistake
    """A request that is answered with an error body instead of an object."""

    def __init__(self, status: int, code: str, description: str, parameter: str | None = None) -> None:
        super().__init__(f"{status} {code}: {description}")
        self.status = status
        self.code = code
        self.description = description
        self.parameter = parameter

    def body(self) -> dict[str, Any]:
        body = {"type": "error", "id": str(uuid.uuid4()), "code": self.code, "description": self.description}
        if self.parameter is not None:
            body["parameter"] = self.parameter
        return body


def invalid(parameter: str | None, description: str) -> Problem:
    """400: the request itself is wrong."""
    return Problem(400, "invalid_request", description, parameter)


def unauthorized() -> Problem:
    return Problem(
        401,
        "invalid_credentials",
        "Error in shopId or secret key. Check their validity. You can reissue the key in the Merchant Profile",
        "Authorization",
    )


def forbidden(description: str, parameter: str | None = None) -> Problem:
    return Problem(403, "forbidden", description, parameter)


def not_found(parameter: str, description: str) -> Problem:
    return Problem(404, "not_found", description, parameter)
