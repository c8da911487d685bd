"""YooKassa as a payment system: every call ends within its deadline and as one of the port's answers."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from domain.payment_system import (
    BindingRequest,
    Capabilities,
    ChargeRequest,
    NotFound,
    Notification,
    PaymentSnapshot,
    ProviderStatus,
    Redirect,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Silence,
    Unreadable,
)
from domain.ports import PaymentSystem
from infrastructure.payment_systems.deadline import end_of_call
from infrastructure.payment_systems.notification import OBJECT_ID, read_notification
from infrastructure.payment_systems.yookassa.exchange import UnreadableError
from infrastructure.payment_systems.yookassa.line import Line
from infrastructure.payment_systems.yookassa.pages import pages
from infrastructure.payment_systems.yookassa.requests import (
    Body,
    NotSupportedError,
    binding_body,
    payment_body,
    refund_body,
)
from infrastructure.payment_systems.yookassa.sdk import Account, Client, user_agent
from infrastructure.payment_systems.yookassa.senders import is_sender
from infrastructure.payment_systems.yookassa.snapshots import binding_snapshot, payment_snapshot, refund_snapshot
from infrastructure.payment_systems.yookassa.threads import NoAnswerError, Threads
from infrastructure.payment_systems.yookassa.verdict import verdict

_log = structlog.get_logger(__name__)

_KEY = re.compile(r"[!-~]{1,64}")
_A_MOMENT_S = 0.05  # a timer may go off that much early
_BEST_FIRST = (ProviderStatus.SUCCEEDED, ProviderStatus.PENDING, ProviderStatus.CANCELED)

_Snapshot = TypeVar("_Snapshot", PaymentSnapshot, RefundSnapshot)


class YooKassa(PaymentSystem):
    """A shop at YooKassa over `threads` threads; all limits in seconds.

    `deadline_s` bounds a call as a whole, waiting for a free thread included; `search_deadline_s` the
    reading of a list page by page in `find_payment` and `find_refund`. `ca_file`: certificates to trust
    instead of the known authorities'.
    """

    capabilities = Capabilities(redirect=True, token=True, saved=True, binding=True)

    def __init__(
        self,
        account: Account,
        *,
        threads: int = 8,
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 10.0,
        deadline_s: float = 10.0,
        search_deadline_s: float = 60.0,
        ca_file: str | None = None,
    ) -> None:
        agent = user_agent()
        self._threads = Threads(
            threads, lambda: Client(account, Line(connect_timeout_s, read_timeout_s, ca_file), agent)
        )
        self._deadline_s = deadline_s
        self._search_deadline_s = search_deadline_s

    async def create_payment(self, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        try:
            body = payment_body(request)
        except NotSupportedError as error:
            return Refused("card_not_supported", str(error))
        deadline, key = self._deadline(), request.idempotency_key
        made = await self._create("create_payment", "/payments", body, key, payment_snapshot, deadline)
        if isinstance(made, PaymentSnapshot) and _leaves_out(made, request):
            return await self._as_it_stands(made, deadline)
        return made

    async def create_binding(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        body = binding_body(request)
        key = request.idempotency_key
        return await self._create("create_binding", "/payment_methods", body, key, binding_snapshot, self._deadline())

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot | Refused | Silence:
        body = refund_body(request)
        key = request.idempotency_key
        return await self._create("create_refund", "/refunds", body, key, refund_snapshot, self._deadline())

    async def get_payment(self, provider_payment_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._get("get_payment", "/payments", provider_payment_id, payment_snapshot, self._deadline())

    async def get_binding(self, provider_method_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._get(
            "get_binding", "/payment_methods", provider_method_id, binding_snapshot, self._deadline()
        )

    async def get_refund(self, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        return await self._get("get_refund", "/refunds", provider_refund_id, refund_snapshot, self._deadline())

    async def find_payment(
        self, payment_id: UUID, created_from: datetime, created_to: datetime
    ) -> PaymentSnapshot | NotFound | Silence:
        found = await self._find(
            "find_payment", "/payments", "payment_id", payment_id, created_from, created_to, payment_snapshot
        )
        if isinstance(found, PaymentSnapshot) and found.status is ProviderStatus.SUCCEEDED and found.method is None:
            return await self._as_it_stands(found, self._deadline())
        return found

    async def find_refund(
        self, refund_id: UUID, created_from: datetime, created_to: datetime
    ) -> RefundSnapshot | NotFound | Silence:
        return await self._find(
            "find_refund", "/refunds", "refund_id", refund_id, created_from, created_to, refund_snapshot
        )

    async def list_payments(
        self, created_from: datetime, created_to: datetime
    ) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        async for snapshot in self._list("list_payments", "/payments", created_from, created_to, payment_snapshot):
            yield snapshot

    async def list_refunds(
        self, created_from: datetime, created_to: datetime
    ) -> AsyncIterator[RefundSnapshot | Unreadable]:
        async for snapshot in self._list("list_refunds", "/refunds", created_from, created_to, refund_snapshot):
            yield snapshot

    def parse_notification(self, body: bytes) -> Notification:
        return read_notification(body)

    def is_sender(self, address: str) -> bool:
        return is_sender(address)

    @property
    def busy_threads(self) -> int:
        """How many threads carry a call, those included whose caller no longer waits."""
        return self._threads.busy

    async def close(self) -> None:
        self._threads.close()

    async def _create(
        self,
        call: str,
        path: str,
        body: Body,
        key: str,
        read: Callable[[Mapping[str, object]], _Snapshot],
        deadline: float,
    ) -> _Snapshot | Refused | Silence:
        if not _KEY.fullmatch(key):
            return Refused("invalid_request", "an idempotency key has 1 to 64 printable characters")
        answer = await self._ask(call, lambda client: client.post(path, body, key), deadline)
        if isinstance(answer, Refused | Silence):
            return answer
        made, object_id = _read(answer, read), _id_of(answer)
        if isinstance(made, Silence) and object_id is not None:  # it has made something: what, its page may tell
            found = await self._get(call, path, object_id, read, deadline)
            return made if isinstance(found, NotFound) else found
        return made

    async def _as_it_stands(self, made: PaymentSnapshot, deadline: float) -> PaymentSnapshot:
        """An answer or a list may leave out what the object itself has; a success is settled once, and people wait."""
        found = await self._get("get_payment", "/payments", made.provider_payment_id, payment_snapshot, deadline)
        return found if isinstance(found, PaymentSnapshot) and found.status is made.status else made

    async def _get(
        self,
        call: str,
        path: str,
        object_id: str,
        read: Callable[[Mapping[str, object]], _Snapshot],
        deadline: float,
    ) -> _Snapshot | NotFound | Silence:
        if not OBJECT_ID.fullmatch(object_id):
            return NotFound()
        answer = await self._ask(call, lambda client: client.get(f"{path}/{object_id}"), deadline, of_one=True)
        if isinstance(answer, Refused):
            if answer.code == "not_found" or _names_id(answer):
                return NotFound()
            return Silence(f"it refused to tell: {answer.code}", only_this=True)
        if isinstance(answer, Silence):
            return answer
        if answer.get("id") != object_id:
            return Silence("it told of another object than it was asked for")
        return _read(answer, read)

    async def _find(
        self,
        call: str,
        path: str,
        name: str,
        our_id: UUID,
        created_from: datetime,
        created_to: datetime,
        read: Callable[[Mapping[str, object]], _Snapshot],
    ) -> _Snapshot | NotFound | Silence:
        """All objects that carry our id are looked at: a canceled one may stand beside one that took the money."""
        found: dict[ProviderStatus, _Snapshot] = {}
        is_alive, deadline = False, time.monotonic() + self._search_deadline_s
        async for page in pages(self._page(call, path, deadline), created_from, created_to):
            if isinstance(page, Silence):
                # Ours was the time that ran out: whoever has answered page after page is alive.
                ran_out = is_alive and time.monotonic() > deadline - _A_MOMENT_S
                return replace(page, only_this=True) if ran_out else page
            is_alive = True
            for item in page:
                if not _carries(item, name, our_id):
                    continue
                snapshot = _read(item, read)
                if isinstance(snapshot, Silence):
                    return snapshot
                found.setdefault(snapshot.status, snapshot)
            if ProviderStatus.SUCCEEDED in found:
                break
        return next((found[status] for status in _BEST_FIRST if status in found), NotFound())

    async def _list(
        self,
        call: str,
        path: str,
        created_from: datetime,
        created_to: datetime,
        read: Callable[[Mapping[str, object]], _Snapshot],
    ) -> AsyncIterator[_Snapshot | Unreadable]:
        """Raises ConnectionError: a list with a gap in it must not pass for a whole one."""
        async for page in pages(self._page(call, path, None), created_from, created_to):
            if isinstance(page, Silence):
                raise ConnectionError(page.why)
            for item in page:
                snapshot = _read(item, read)
                if isinstance(snapshot, Silence):
                    yield Unreadable(_id_of(item), snapshot.why)
                elif snapshot.created_at is None or created_from <= snapshot.created_at < created_to:
                    yield snapshot

    def _page(
        self, call: str, path: str, whole_deadline: float | None
    ) -> Callable[[Mapping[str, str]], Awaitable[Mapping[str, object] | Silence]]:
        async def page(params: Mapping[str, str]) -> Mapping[str, object] | Silence:
            deadline = (
                time.monotonic() + self._deadline_s
            )  # of each page; how many there are is no person's to wait for
            if whole_deadline is not None:
                deadline = min(deadline, whole_deadline)
            answer = await self._ask(call, lambda client: client.get(path, params), deadline)
            return Silence(f"it refused to list: {answer.code}") if isinstance(answer, Refused) else answer

        return page

    async def _ask(
        self, call: str, ask: Callable[[Client], None], deadline: float, *, of_one: bool = False
    ) -> Mapping[str, object] | Refused | Silence:
        """One exchange with its line in the log: never headers, never bodies. `of_one`: see `verdict`."""
        began = time.monotonic()
        status: int | None = None
        answer: Mapping[str, object] | Refused | Silence
        try:
            exchange = await self._threads.run(ask, deadline)
        except NoAnswerError as error:
            answer = Silence(str(error))
        else:
            status = exchange.status_code
            answer = verdict(exchange, of_one=of_one)
        words = {"system": "yookassa", "call": call, "status": status, "ms": round((time.monotonic() - began) * 1000)}
        match answer:
            case Silence(why=why):
                _log.warning("payment_system.silence", **words, why=why)
            case Refused(code=code):
                _log.info("payment_system.refused", **words, code=code)
            case _:
                _log.info("payment_system.answered", **words, provider_id=_id_of(answer))
        return answer

    def _deadline(self) -> float:
        return end_of_call(self._deadline_s)


def _read(body: Mapping[str, object], read: Callable[[Mapping[str, object]], _Snapshot]) -> _Snapshot | Silence:
    try:
        return read(body)
    except UnreadableError as error:
        _log.warning("payment_system.unreadable", system="yookassa", why=str(error))
        return Silence(f"an unreadable answer: {error}", only_this=True)


def _leaves_out(made: PaymentSnapshot, request: ChargeRequest) -> bool:
    """The page that a person has to be sent to, or the method that was to be saved: the object itself may have it."""
    if made.status is ProviderStatus.PENDING:
        return isinstance(request.instrument, Redirect) and made.confirmation_url is None
    lacks_method = made.method is None or not made.method.saved
    return made.status is ProviderStatus.SUCCEEDED and request.save_method and lacks_method


def _id_of(item: Mapping[str, object]) -> str | None:
    object_id = item.get("id")
    return object_id if isinstance(object_id, str) and OBJECT_ID.fullmatch(object_id) else None


def _names_id(answer: Refused) -> bool:
    """An id that is none of theirs (a forged notification's) may be called a wrong parameter instead of unknown."""
    return answer.code == "invalid_request" and answer.detail.endswith("_id)")


def _carries(item: Mapping[str, object], name: str, our_id: UUID) -> bool:
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and metadata.get(name) == str(our_id)
