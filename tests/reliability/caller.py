"""A good client: each request under one key, sent again until it gets a final answer, and every answer remembered."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from tests.reliability.real_stack import RealStack

_NOT_FINAL = {"idempotency_key_in_use", "unavailable"}
_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer; `asked` is the body that was sent."""

    operation: str
    user_id: UUID | None
    asked: Any
    status: int
    content: bytes
    consistency: str | None
    answered_2xx: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answered_2xx", 200 <= self.status < 300)

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else {}


@dataclass(slots=True)
class Record:
    """What came of all requests of a run."""

    replies: list[Reply] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    """What should not have been answered."""


class Caller:
    def __init__(self, stack: RealStack, record: Record) -> None:
        self._stack = stack
        self.record = record
        # Connections are given up before the server does: one that it closes just then would look like a lost answer.
        connections = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), connector=connections)

    async def close(self) -> None:
        await self._http.close()

    async def posts(
        self,
        operation: str,
        path: str,
        body: Any,
        token: str,
        *,
        user_id: UUID | None = None,
        at_once: int = 1,
    ) -> Reply:
        """The final answer to one request, sent `at_once` times with one key: those that were done say the same."""
        key = uuid4().hex
        found = await asyncio.gather(
            *(self._until_final(operation, path, body, token, key, user_id) for _ in range(at_once))
        )
        done = [reply for reply in found if reply.answered_2xx]
        if len({(reply.status, reply.content) for reply in done}) > 1:
            self.record.complaints.append(f"{operation} under one key was answered in different ways: {key}")
        self.record.replies += done[:1] or found[:1]
        return (done or found)[0]

    async def _until_final(
        self, operation: str, path: str, body: Any, token: str, key: str, user_id: UUID | None
    ) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        while True:
            answer = await self._once("POST", path, headers, body)
            if answer is not None:
                status, content, consistency = answer
                reply = Reply(operation, user_id, body, status, content, consistency)
                code = "" if reply.answered_2xx else str(_problem(content).get("code", ""))
                self.record.outcomes[operation, f"{status} {code}".strip()] += 1
                if status < 500 and code not in _NOT_FINAL:
                    return reply
            else:
                self.record.outcomes[operation, "no answer"] += 1
            self.record.retries[operation] += 1
            await asyncio.sleep(_PAUSE_S)

    async def reads(self, path: str, token: str, consistency: str | None = None) -> Any:
        """Until it is answered with 200."""
        headers = {"Authorization": f"Bearer {token}"}
        if consistency is not None:
            headers["Consistency-Token"] = consistency
        while True:
            answer = await self._once("GET", path, headers, None)
            outcome = "no answer" if answer is None else str(answer[0])
            self.record.outcomes["read", outcome] += 1
            if answer is not None and answer[0] == 200:
                return json.loads(answer[1])
            if answer is not None and answer[0] < 500:
                raise AssertionError(f"{path} was answered with {answer[0]}: {answer[1][:300]!r}")
            self.record.retries["read"] += 1
            await asyncio.sleep(_PAUSE_S)

    async def card_token(self, number: str) -> str:
        """A one-time token of a card, from the payment system's widget."""
        card = {"number": number, "exp_month": 12, "exp_year": 2099, "csc": "123"}
        async with self._http.post(f"{self._stack.addresses['yookassa']}/_simulator/tokens", json=card) as answer:
            return str((await answer.json())["payment_token"])

    async def _once(
        self, method: str, path: str, headers: dict[str, str], body: Any
    ) -> tuple[int, bytes, str | None] | None:
        try:
            url = f"{self._stack.addresses['api']}{path}"
            async with self._http.request(method, url, json=body, headers=headers) as answer:
                return answer.status, await answer.read(), answer.headers.get("Consistency-Token")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
