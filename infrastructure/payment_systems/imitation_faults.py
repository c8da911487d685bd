"""Faults on demand for the imitation: `imitation.on("create_payment").charge_and_say_nothing()`."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.payment_system import Refused, Silence


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call goes wrong. `instead` replaces the call; `after` the answer of a call that was carried out."""

    instead: Refused | Silence | None = None
    after: Callable[[Any], Any] | None = None
    hold: asyncio.Event | None = None
    pending: bool = False


class Faults:
    """Faults that wait for calls, by the call's name; each is used up by as many calls as `times` said."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def next_of(self, call: str) -> Fault:
        waiting = self._waiting[call]
        return waiting.popleft() if waiting else Fault()

    def add(self, call: str, fault: Fault, times: int) -> None:
        self._waiting[call].extend([fault] * times)

    def clear(self) -> None:
        self._waiting.clear()


class Script:
    """What shall happen to the next calls of one name."""

    def __init__(self, faults: Faults, call: str) -> None:
        self._faults = faults
        self._call = call

    def charge_and_say_nothing(self, times: int = 1) -> None:
        """The call is carried out (money moves), its answer never arrives."""
        self._add(Fault(after=lambda _answer: Silence("no answer arrived")), times)

    def say_nothing_before(self, times: int = 1, retry_after_s: float | None = None) -> None:
        """Nothing is done and nothing is said."""
        self._add(Fault(instead=Silence("no answer arrived", retry_after_s)), times)

    def refuse(self, code: str = "invalid_request", detail: str = "", times: int = 1) -> None:
        self._add(Fault(instead=Refused(code, detail)), times)

    def lie(self, change: Callable[[Any], Any], times: int = 1) -> None:
        """The call is carried out; what is told of it is `change(answer)`."""
        self._add(Fault(after=change), times)

    def hold(self, until: asyncio.Event, times: int = 1) -> None:
        """The call hangs, with nothing done yet, until the event is set."""
        self._add(Fault(hold=until), times)

    def leave_pending(self, times: int = 1) -> None:
        """The operation is accepted and stays pending until `finish` decides it."""
        self._add(Fault(pending=True), times)

    def _add(self, fault: Fault, times: int) -> None:
        self._faults.add(self._call, fault, times)
