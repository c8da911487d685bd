"""The only import of YooKassa's SDK (3.13.0): its client, with the traps that lie around it closed.

- Credentials are this client's own, not the class-global `Configuration`, so two shops can share a process.
- The session is ours (`Line`): pooled, with time limits, without retries.
- Nothing is logged: the SDK would hand the Authorization header and the whole body to its logger.
- Bodies are the exact dictionaries we build; the SDK's request models would pass amounts through float,
  make a key of their own where none is given, and add to the metadata.
- What the SDK returns or raises is not looked at: the exchange is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

from yookassa.client import ApiClient
from yookassa.domain.common import UserAgent

from infrastructure.payment_systems.yookassa.exchange import Exchange
from infrastructure.payment_systems.yookassa.line import Line


@dataclass(frozen=True, slots=True)
class Account:
    """A shop at YooKassa; `api_url` ends in `/v3`, without a slash."""

    api_url: str
    shop_id: str
    secret_key: str = field(repr=False)


def user_agent() -> UserAgent:
    """Made once and not in a call's time: finding the system's name may start a program."""
    return UserAgent()


class Client(ApiClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's client over one thread's line."""

    def __init__(self, account: Account, line: Line, user_agent: UserAgent) -> None:  # pylint: disable=super-init-not-called
        # The SDK's own constructor reads the class-global Configuration and nothing else.
        self.configuration = SimpleNamespace(verify=None)
        self.endpoint = account.api_url
        self.shop_id = account.shop_id
        self.shop_password = account.secret_key
        self.auth_token = None
        self.user_agent = user_agent
        self.line = line

    def get_session(self) -> Line:
        return self.line

    @staticmethod
    def get_response_info(response: Exchange) -> dict[str, object]:
        """The SDK's asks chardet about every body and raises for a status; it is there for its log only."""
        return {"status_code": response.status_code}

    @staticmethod
    def log_request(*_: object) -> None:
        return None

    @staticmethod
    def log_response(*_: object) -> None:
        return None

    def post(self, path: str, body: Mapping[str, object], idempotency_key: str) -> None:
        """Send a request under its key; the outcome stands in `line.exchange`."""
        self.request("POST", path, None, {"Idempotence-Key": idempotency_key}, body)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> None:
        self.request("GET", path, params)
