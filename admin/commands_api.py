"""Asks the commands' HTTP API to change something; whatever becomes of it is an answer, never an exception."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from infrastructure.auth.service_token import token_in

_DEADLINE_S: Final = 25.0
"""Longer than the API itself waits for a payment system."""
_LARGEST_BYTES: Final = 1024 * 1024
_TRIES_WHILE_RUNNING: Final = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed. `code` is the contract's; `fields`: name → what is wrong with it."""

    code: str
    detail: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody knows whether it was done: the same request under the same key finds out."""

    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One change: `key` makes it the same one, however often it is sent."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    key: str


class CommandsApi:
    """`token` is called for each request, since tokens are renewed."""

    def __init__(self, url: str, token: Callable[[], str | None]) -> None:
        self._address = urlsplit(url)
        self._token = token

    def ask(self, asked: Asked) -> Done | Refused | Silent:
        """A double click is waited for: the second request gets the first one's reply."""
        for _ in range(_TRIES_WHILE_RUNNING):
            answer = self._ask_once(asked)
            if not isinstance(answer, Refused) or answer.code != "idempotency_key_in_use":
                break
            time.sleep(0.5)
        else:
            answer = Silent("it is still at work")
        if isinstance(answer, Silent):
            _log.warning("commands_api_silent", path=asked.path, why=answer.why)
        return answer

    def _ask_once(self, asked: Asked) -> Done | Refused | Silent:
        try:
            token = self._token()
        except (OSError, ValueError) as error:
            return Silent(f"no token: {type(error).__name__}")
        try:
            status, text = self._exchange(asked, token)
        except (OSError, http.client.HTTPException) as error:
            return Silent(type(error).__name__)
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return Silent(f"status {status} without an answer")
        if status < 300:
            return Done(status, body)
        if status >= 500:
            return Silent(f"status {status}")
        fields = {str(one.get("field")): str(one.get("message")) for one in body.get("errors") or ()}
        return Refused(str(body.get("code", status)), str(body.get("detail", "")), fields)

    def _exchange(self, asked: Asked, token: str | None) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=_DEADLINE_S)
        headers = {"Accept": "application/json", "Idempotency-Key": asked.key, "X-Request-ID": asked.key}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if asked.body is not None:
            content = json.dumps(asked.body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(asked.method, self._address.path + asked.path, body=content, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(_LARGEST_BYTES)
        finally:
            connection.close()


@cache
def commands_api() -> CommandsApi:
    """The one that the settings name."""
    given = settings.GIVEN
    return CommandsApi(given.admin_api_url or given.base_url, token_in(given.admin_api_token))
