"""A circuit breaker: after silence over several different objects it spares the payment system, and us, for a while.

What counts is how many *different* payments, refunds or lists have met silence since the last word, not how
many calls: one payment that hangs however often it is asked about stops nobody else. Any word closes the
circuit, a refusal too. Open, it lets nothing through until its time is over, then one call to try (half-open). A short
trouble costs seconds: each opening without a word in between lasts twice as long as the one before.
Each process has its own: a breaker shared through a database would be one more thing to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from domain.payment_system import Silence


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to make one call. `round` tells late outcomes of earlier times from the present's."""

    subject: str
    round: int
    probe: bool


class Circuit:
    """`monotonic` gives seconds that never go back."""

    def __init__(
        self,
        *,
        silences_to_open: int,
        first_open_for_s: float,
        open_for_s: float,
        longest_open_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._silences_to_open = silences_to_open
        self._first_open_for_s = min(first_open_for_s, open_for_s)
        self._open_for_s = open_for_s
        self._next_open_for_s = self._first_open_for_s
        self._longest_open_s = longest_open_s
        self._monotonic = monotonic
        self._silent: set[str] = set()
        self._open_until: float | None = None
        self._probing = False
        self._round = 0
        self.opened = 0
        """How many times it has opened so far."""

    @property
    def state(self) -> State:
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._monotonic() < self._open_until else State.HALF_OPEN

    @property
    def silent(self) -> int:
        """How many different objects have met silence since the last word."""
        return len(self._silent)

    def ask(self, subject: str) -> Pass | Silence:
        """Leave for a call about `subject`, or the silence to answer with instead."""
        if self._open_until is None:
            return Pass(subject, self._round, probe=False)
        left = self._open_until - self._monotonic()
        if left > 0 or self._probing:
            return Silence("the circuit is open", retry_after_s=max(left, 1.0))
        self._probing = True
        return Pass(subject, self._round, probe=True)

    def answered(self, leave: Pass) -> None:
        """The call got a word, whatever it said. One that began in an earlier round tells nothing of this one."""
        if leave.round != self._round:
            return
        self._silent.clear()
        self._next_open_for_s = self._first_open_for_s
        if leave.probe:
            self._open_until = None
            self._next_round()

    def silence(self, leave: Pass, retry_after_s: float | None) -> None:
        """The call got none. A payment system that asks to be left alone is left alone at once."""
        if leave.round != self._round:
            return
        self._silent.add(leave.subject)
        ours = self._next_open_for_s if leave.probe or len(self._silent) >= self._silences_to_open else 0.0
        if ours:
            self._next_open_for_s = min(2 * ours, self._open_for_s)
        pause = min(max(ours, retry_after_s or 0.0), self._longest_open_s)
        if pause > 0:
            self._open_until = self._monotonic() + pause
            self.opened += 1
            self._next_round()

    def abandoned(self, leave: Pass) -> None:
        """The caller went away before an outcome: the next one may try."""
        if leave.round == self._round and leave.probe:
            self._probing = False

    def _next_round(self) -> None:
        self._round += 1
        self._probing = False
        self._silent.clear()
