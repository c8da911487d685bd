"""Reconciliation: the payment system's list of a day held against our books, and what is said of the differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.periods import DEFAULT_ZONE

YOUNG = timedelta(hours=1)
"""What is open and no older than this is the janitor's: it is not a difference yet."""


class PaymentSystemSilent(Exception):  # noqa: N818 -- named for what happened
    """It stopped answering in the middle; what was compared before is kept."""


def day_of(at: datetime) -> date:
    """The calendar day in Europe/Moscow, as in the payment system's registers."""
    return at.astimezone(ZoneInfo(DEFAULT_ZONE)).date()


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """The day's first instant, and the next day's; in UTC."""
    zone = ZoneInfo(DEFAULT_ZONE)
    first, after = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    return first.astimezone(UTC), after.astimezone(UTC)


class FindingKind(StrEnum):
    """Each is also the kind of the case that a person looks at."""

    UNKNOWN_HERE = "reconcile_unknown_here"
    UNKNOWN_THERE = "reconcile_unknown_there"
    AMOUNT_DIFFERS = "reconcile_amount_differs"
    STATE_DIFFERS = "reconcile_state_differs"
    DOUBLED = "reconcile_doubled"
    REFUNDS_DIFFER = "reconcile_refunds_differ"
    UNREADABLE = "reconcile_unreadable"
    REFUND_UNKNOWN_HERE = "reconcile_refund_unknown_here"
    REFUND_UNKNOWN_THERE = "reconcile_refund_unknown_there"
    REFUND_AMOUNT_DIFFERS = "reconcile_refund_amount_differs"
    REFUND_STATE_DIFFERS = "reconcile_refund_state_differs"
    REFUND_DOUBLED = "reconcile_refund_doubled"
    REFUND_FOREIGN = "reconcile_refund_foreign"


class Outcome(StrEnum):
    """What became of a finding. `repairing` is written before a repair, so that one cut short is not forgotten."""

    REPAIRING = "repairing"
    REPAIRED = "repaired"
    CASE = "case"
    GONE = "gone"


@dataclass(slots=True)
class Finding:
    """One difference. `ours` and `theirs`: status and amount as people read them, or "–" where there is nothing.

    `subject` names it once and for all: our id, or the payment system's code and id where there is none of ours.
    """

    kind: FindingKind
    subject: str
    provider_id: str | None
    our_id: UUID | None
    ours: str
    theirs: str
    detail: str
    outcome: Outcome = Outcome.CASE
    found_at: datetime | None = None
    seen_in: int = 0  # the pass that saw it last
    user_id: UUID | None = field(default=None, compare=False)
    payment_id: UUID | None = field(default=None, compare=False)
    refund_id: UUID | None = field(default=None, compare=False)
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.kind.value, self.subject

    @property
    def done(self) -> str:
        """What was done about it, for people."""
        match self.outcome:
            case Outcome.REPAIRING | Outcome.REPAIRED:
                return f"repaired: {self.detail}"
            case Outcome.CASE:
                return f"case opened: {self.detail}"
        return "it has solved itself"


class Stage(StrEnum):
    """Refunds first: they set right the sums that payments are compared by."""

    REFUNDS = "refunds"
    PAYMENTS = "payments"
    DONE = "done"


@dataclass(slots=True)
class Report:
    """One day of one payment system. A pass covers the day up to `started_at`; `compared_until` is where it stands."""

    payment_system: str
    day: date
    passes: int
    stage: Stage
    compared_until: datetime
    started_at: datetime
    finished_at: datetime | None = None
    payments: int = 0
    refunds: int = 0
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)  # by their keys

    @classmethod
    def begin(cls, payment_system: str, day: date, now: datetime) -> Report:
        start, _ = bounds_of(day)
        return cls(payment_system, day, passes=1, stage=Stage.REFUNDS, compared_until=start, started_at=now)

    def has_grown(self, now: datetime) -> bool:
        """Whether there is more of the day by now than this pass covers."""
        return self.covers_until < min(bounds_of(self.day)[1], now)

    def reach_further(self, now: datetime) -> None:
        """The refunds of what has gone of the day since are read in this pass as well."""
        self.started_at = now

    def begin_again(self, now: datetime) -> None:
        """Another pass over the same day; what was found before stays known."""
        self.passes += 1
        self.stage, self.compared_until, self.started_at = Stage.REFUNDS, bounds_of(self.day)[0], now
        self.finished_at, self.payments, self.refunds = None, 0, 0

    @property
    def covers_until(self) -> datetime:
        """The end of this pass: of the day, or of what had gone of it when the pass began, that second included."""
        start, end = bounds_of(self.day)
        return max(start, min(end, self.started_at + timedelta(seconds=1)))

    @property
    def day_was_over(self) -> bool:
        return self.started_at >= bounds_of(self.day)[1]

    def next_stage(self, now: datetime) -> None:
        """The present stage has come to the end of what the pass covers."""
        if self.stage is Stage.REFUNDS:
            self.stage, self.compared_until = Stage.PAYMENTS, bounds_of(self.day)[0]
        else:
            self.stage = Stage.DONE
            self.finished_at = now if self.day_was_over else None

    def note(self, finding: Finding) -> None:
        """Keep it, in the place of what was said of the same before."""
        earlier = self.findings.get(finding.key)
        if earlier is not None:
            finding.found_at = earlier.found_at or finding.found_at
        self.findings[finding.key] = finding

    def not_seen_any_more(self) -> list[Finding]:
        """Found by earlier passes and not by this one. What this one could not read may differ as before."""
        unreadable: set[object] = set()
        for finding in self.findings.values():
            if finding.kind is FindingKind.UNREADABLE and finding.seen_in == self.passes:
                unreadable |= {finding.provider_id, finding.our_id} - {None}
        missing = [finding for finding in self.findings.values() if finding.seen_in < self.passes]
        return [each for each in missing if not unreadable & {each.provider_id, each.our_id}]


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Without what only the case carries."""
    return {
        "kind": finding.kind.value,
        "subject": finding.subject,
        "provider_id": finding.provider_id,
        "our_id": str(finding.our_id) if finding.our_id else None,
        "ours": finding.ours,
        "theirs": finding.theirs,
        "detail": finding.detail,
        "outcome": finding.outcome.value,
        "found_at": finding.found_at.isoformat() if finding.found_at else None,
        "seen_in": finding.seen_in,
    }


def finding_from_json(doc: Mapping[str, Any]) -> Finding:
    return Finding(
        kind=FindingKind(doc["kind"]),
        subject=doc["subject"],
        provider_id=doc["provider_id"],
        our_id=UUID(doc["our_id"]) if doc["our_id"] else None,
        ours=doc["ours"],
        theirs=doc["theirs"],
        detail=doc["detail"],
        outcome=Outcome(doc["outcome"]),
        found_at=datetime.fromisoformat(doc["found_at"]) if doc["found_at"] else None,
        seen_in=doc["seen_in"],
    )
