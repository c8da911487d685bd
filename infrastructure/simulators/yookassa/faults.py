"""Everything that can go wrong on demand: which fault meets which call, how often, by which dice.

A fault is kept in the books, so that a restart changes nothing. Its dice are a hash of its seed and
of how often it was asked: the same seed and the same calls give the same failures.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from infrastructure.simulators.yookassa.cards import Decline, party_of, refund_party_of
from infrastructure.simulators.yookassa.store import Store

OPERATIONS = frozenset({
    "create_payment", "get_payment", "list_payments", "capture_payment", "cancel_payment",
    "create_refund", "get_refund", "list_refunds", "create_method", "get_method", "get_me", "notify", "*",
})  # fmt: skip

TRANSPORT = frozenset({
    "no_answer", "reset", "error_500", "too_many_requests", "bad_gateway",
    "truncated", "cut_off", "garbage", "accepted",
})  # fmt: skip
"""What becomes of the answer. `when` says whether the work is done first: "before" or "after"."""

BUSINESS = frozenset({"decline", "payment_pending", "refund_pending", "refund_canceled"})
"""What the payment system decides."""

TIMING = frozenset({"slow", "notify_first"})
"""An answer that takes its time, or that the notification overtakes."""

NOTIFY = frozenset({"lost", "late", "doubled", "reordered", "forged"})
"""What becomes of a notification."""

OUTAGE = "outage"
"""The whole system is away until the fault is lifted; `mode`: hang, refuse or unavailable."""

KINDS = TRANSPORT | BUSINESS | TIMING | NOTIFY | {OUTAGE}


class BadFaultError(ValueError):
    """No such fault can be set."""


@dataclass(frozen=True)
class Fault:
    """`operation` "*" means every call (never notifications). `times` None lasts until it is lifted.

    `payment_id` narrows it to one payment of ours, by its metadata. `seconds` is how long no answer
    hangs, a slow one takes, a notification is late (by the service's clock), or an object stays pending
    (0: until it is settled by hand). `reason` and `party` belong to decline and refund_canceled.
    """

    operation: str
    kind: str
    when: str = "after"
    payment_id: str | None = None
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    retry_after: int | None = None  # seconds; for `accepted` written in milliseconds, as YooKassa does
    reason: str | None = None
    party: str | None = None
    mode: str = "hang"
    asked: int = 0
    met: int = 0
    id: int = field(default=0, compare=False)

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Fault:
        """Raises BadFaultError."""
        if doc.get("kind") == OUTAGE:
            doc = {"operation": "*", "times": None, **doc}
        if doc.get("kind") in NOTIFY:
            doc = {"operation": "notify", **doc}
        known = {name: value for name, value in doc.items() if name not in {"id", "asked", "met"}}
        try:
            fault = cls(**known)
            fault._check()
        except TypeError as error:  # an unknown name, or a text where a number belongs
            raise BadFaultError(str(error)) from None
        return fault

    def _check(self) -> None:
        if self.operation not in OPERATIONS:
            raise BadFaultError(f"no such operation: {self.operation}")
        if self.kind not in KINDS:
            raise BadFaultError(f"no such kind: {self.kind}")
        if (self.kind in NOTIFY) != (self.operation == "notify"):
            raise BadFaultError(f"{self.kind} is not for {self.operation}")
        if self.when not in {"before", "after"} or self.mode not in {"hang", "refuse", "unavailable"}:
            raise BadFaultError("when is before or after; mode is hang, refuse or unavailable")
        if not 0 <= self.probability <= 1 or self.seconds < 0:
            raise BadFaultError("probability lies between 0 and 1, seconds are not negative")
        if self.times is not None and self.times < 1:
            raise BadFaultError("times is a positive number, or null")

    @property
    def decline(self) -> Decline:
        refund = self.kind == "refund_canceled"
        reason = self.reason or ("insufficient_funds" if refund else "general_decline")
        return Decline(party=self.party or (refund_party_of(reason) if refund else party_of(reason)), reason=reason)

    def strikes(self) -> bool:
        """Throw the dice for the call that is asked about now."""
        if self.probability >= 1:
            return True
        digest = hashlib.blake2b(f"{self.seed}:{self.asked}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64 < self.probability


@dataclass(frozen=True)
class Effects:
    """What one call meets; None: nothing of that sort."""

    transport: Fault | None = None
    slow: Fault | None = None
    notify_first: Fault | None = None
    outage: Fault | None = None


NOTHING = Effects()


class Faults:
    """All that are set; read from the books once, written through."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults = [replace(Fault(**doc), id=fault_id) for fault_id, doc in store.faults()]

    def all(self) -> list[Fault]:
        return list(self._faults)

    def add(self, fault: Fault) -> Fault:
        kept = replace(fault, id=self._store.add_fault(_doc(fault)))
        self._faults.append(kept)
        return kept

    def lift(self, fault_id: int | None = None) -> None:
        """One of them, or all."""
        self._store.delete_faults(fault_id)
        self._faults = [fault for fault in self._faults if fault_id is not None and fault.id != fault_id]

    @property
    def outage(self) -> Fault | None:
        return next((fault for fault in self._faults if fault.kind == OUTAGE), None)

    def meet(self, operation: str, *our_ids: str | None) -> Effects:
        """Which faults this call meets; each is used up by one."""
        if not self._faults:
            return NOTHING
        if self.outage is not None:
            return Effects(outage=self.outage)
        found: dict[str, Fault] = {}
        for fault in list(self._faults):
            slot = "transport" if fault.kind in TRANSPORT else fault.kind
            if fault.kind in BUSINESS or slot in found:
                continue
            if self._fits(fault, operation, our_ids) and self._use(fault):
                found[slot] = fault
        return Effects(**found)

    def decide(self, operation: str, *our_ids: str | None) -> Fault | None:
        """What the payment system decides otherwise, for a call that it really carries out."""
        for fault in list(self._faults):
            if fault.kind in BUSINESS and self._fits(fault, operation, our_ids) and self._use(fault):
                return fault
        return None

    def meet_notification(self, our_id: str | None) -> Fault | None:
        for fault in list(self._faults):
            if self._fits(fault, "notify", (our_id,)) and self._use(fault):
                return fault
        return None

    @staticmethod
    def _fits(fault: Fault, operation: str, our_ids: tuple[str | None, ...]) -> bool:
        if fault.operation != operation and not (fault.operation == "*" and operation != "notify"):
            return False
        return fault.payment_id is None or fault.payment_id in our_ids

    def _use(self, fault: Fault) -> bool:
        strikes = fault.strikes()
        used = replace(fault, asked=fault.asked + 1, met=fault.met + strikes)
        place = self._faults.index(fault)
        if used.times is not None and used.met >= used.times:
            del self._faults[place]
            self._store.delete_faults(fault.id)
        else:
            self._faults[place] = used
            self._store.put_fault(fault.id, _doc(used))
        return strikes


def _doc(fault: Fault) -> dict[str, Any]:
    doc = asdict(fault)
    del doc["id"]
    return doc
