"""Notifications to the shop: written with the change they tell of, delivered until somebody answers 200.

Undelivered ones lie in the books, so a restart goes on with them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any

import aiohttp

from infrastructure.simulators.yookassa.faults import Faults
from infrastructure.simulators.yookassa.instants import DAY, ClockAwayError
from infrastructure.simulators.yookassa.objects import render
from infrastructure.simulators.yookassa.records import Notification, Record
from infrastructure.simulators.yookassa.store import Store

_INTERVALS_S = (1.0, 2.0, 5.0, 15.0, 60.0)
_LAST_INTERVAL_S = 600.0
_GIVE_UP_MS = DAY
_ANSWER_TIMEOUT_S = 10.0
_AT_ONCE = 16
_FRESH = 10_000
_FLUSH_S = 20.0
_DUE = "status = 'pending' AND (not_before_ms IS NULL OR not_before_ms <= ?) AND next_try <= ? ORDER BY seq LIMIT ?"


class Notifier:
    """`notify_url` None: the shop wants none."""

    def __init__(
        self, store: Store, faults: Faults, shop_id: str, notify_url: str | None, now_ms: Callable[[], Awaitable[int]]
    ) -> None:
        self._store = store
        self._faults = faults
        self._shop_id = shop_id
        self.notify_url = notify_url
        self._now_ms = now_ms
        self._fresh: dict[int, Notification] = {}  # written a moment ago: no need to read them again
        store.after_rollback = self._fresh.clear  # they lie in the books all the same, bar those of the rollback
        self._inflight: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    # --- writing -------------------------------------------------------------------------------
    def announce(self, event: str, record: Record, now_ms: int) -> None:
        """Write what has happened to `record`, as it stands at this moment."""
        if self.notify_url is None:
            return
        body = {"type": "notification", "event": event, "object": render(record, self._shop_id, "")}
        note = Notification(0, event, record.id, record.our_id, now_ms, body, next_try=time.time())
        fault = self._faults.meet_notification(record.our_id)
        kind = fault.kind if fault else None
        if kind == "forged":
            self.write(forged(note))
        if kind == "lost":
            note.status = "lost"
        elif kind == "reordered":
            note.status = "held"
        elif kind == "late" and fault is not None:
            note.not_before_ms = now_ms + round(fault.seconds * 1000)
        self.write(note)
        if kind == "doubled":
            note.seq = 0
            self.write(note)

    def write(self, note: Notification) -> None:
        self._store.put_notification(note)
        if note.status == "pending" and note.not_before_ms is None and len(self._fresh) < _FRESH:
            self._fresh[note.seq] = copy(note)

    # --- delivering ----------------------------------------------------------------------------
    def wake(self) -> None:
        """Something may have been written."""
        self._wake.set()

    async def run(self, beat: Callable[[], Awaitable[None]], interval_s: float = 0.5) -> None:
        """Deliver until cancelled; `beat` is called and the books are looked through every `interval_s`."""
        look_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            # No asyncio.wait_for: where the event and a cancellation meet, it would swallow the latter.
            alarm = loop.call_later(max(0.0, look_at - time.monotonic()), self._wake.set)
            await self._wake.wait()
            alarm.cancel()
            self._wake.clear()
            self._start_fresh()
            if time.monotonic() >= look_at:
                with suppress(ClockAwayError):  # the next look will do
                    await beat()
                    self._start_due(await self._now_ms())
                look_at = time.monotonic() + interval_s

    def _start_fresh(self) -> None:
        if self._faults.outage is not None:
            return
        while self._fresh and len(self._inflight) < _AT_ONCE:
            self._launch(next(iter(self._fresh.values())))

    async def flush(self) -> None:
        """Try everything that is undelivered once, now, and wait for the answers."""
        if self.notify_url is None or self._faults.outage is not None:
            return
        with self._store.change():
            for note in self._store.notifications("status = 'held'"):
                note.status = "pending"
                self._store.put_notification(note)
        give_up_at = time.monotonic() + _FLUSH_S
        tried = set(self._inflight)
        while todo := [seq for seq in self._store.due_notifications(await self._now_ms()) if seq not in tried]:
            tried.update(todo)
            for seq in todo:
                while len(self._inflight) >= _AT_ONCE:
                    await asyncio.wait(self._inflight.values(), return_when=asyncio.FIRST_COMPLETED)
                if time.monotonic() > give_up_at:
                    return  # the shop hangs; the rest is tried later, as it would be anyway
                for note in self._store.notifications("seq = ? AND status = 'pending'", seq):
                    self._launch(note)
            if self._inflight:
                await asyncio.wait(self._inflight.values())
        if self._inflight:
            await asyncio.wait(self._inflight.values())

    async def deliver(self, object_id: str) -> None:
        """Send what is pending about one object and wait for the answers."""
        if self.notify_url is None:
            return
        for note in self._store.notifications("object_id = ? AND status = 'pending'", object_id):
            self._launch(note)
        tasks = [self._inflight[note.seq] for note in self._of(object_id) if note.seq in self._inflight]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        unfinished = list(self._inflight.values())
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _of(self, object_id: str) -> list[Notification]:
        return self._store.notifications("object_id = ? AND status = 'pending'", object_id)

    def _start_due(self, now_ms: int) -> None:
        """Send what is due, as far as there is room."""
        if self.notify_url is None or self._faults.outage is not None:
            return
        for note in self._store.notifications(_DUE, now_ms, time.time(), 2 * _AT_ONCE):
            if len(self._inflight) < _AT_ONCE:
                self._launch(note)

    def _launch(self, note: Notification) -> None:
        self._fresh.pop(note.seq, None)
        if note.seq not in self._inflight:
            task = asyncio.get_running_loop().create_task(self._send(note))
            self._inflight[note.seq] = task
            task.add_done_callback(lambda _: self._landed(note.seq))

    def _landed(self, seq: int) -> None:
        self._inflight.pop(seq, None)
        self._wake.set()

    async def _send(self, note: Notification) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S))
        answer = await self._post(self._session, note.body)
        try:
            now_ms = await self._now_ms()
        except ClockAwayError:
            now_ms = note.created_ms
        note.tries += 1
        note.last_answer = answer
        if answer == "200":
            note.status = "delivered"
        elif now_ms - note.created_ms > _GIVE_UP_MS:
            note.status = "given_up"
        else:
            pause = _INTERVALS_S[note.tries - 1] if note.tries <= len(_INTERVALS_S) else _LAST_INTERVAL_S
            note.next_try = time.time() + pause
        with self._store.change():
            self._store.put_notification(note)
            if note.status == "delivered":
                self._release_held(note.seq)

    def _release_held(self, delivered: int) -> None:
        """Those that were held back so that a later one overtakes them.

        The plus sign keeps SQLite off the primary key, which holds everything ever told.
        """
        for note in self._store.notifications("status = 'held' AND +seq < ?", delivered):
            note.status = "pending"
            self._store.put_notification(note)

    async def _post(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> str:
        assert self.notify_url is not None
        try:
            async with session.post(self.notify_url, json=body, allow_redirects=False) as answer:
                await answer.read()
                return str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__


_OPPOSITES = {
    "payment.succeeded": ("payment.canceled", "canceled"),
    "payment.canceled": ("payment.succeeded", "succeeded"),
    "payment.waiting_for_capture": ("payment.succeeded", "succeeded"),
    "refund.succeeded": ("refund.succeeded", "succeeded"),
    "payment_method.active": ("payment_method.active", "active"),
}


def forged(note: Notification) -> Notification:
    """The opposite of what happened, as somebody would send it who means harm."""
    event, status = _OPPOSITES[note.event]
    body = deepcopy(note.body)
    body["event"] = event
    shown = body["object"]
    shown["status"] = status
    if "paid" in shown:
        shown["paid"] = status == "succeeded"
    if "amount" in shown:
        shown["amount"]["value"] = "999999.00" if event == "refund.succeeded" else shown["amount"]["value"]
    return Notification(0, event, note.object_id, note.our_id, note.created_ms, body, next_try=0.0, forged=True)
