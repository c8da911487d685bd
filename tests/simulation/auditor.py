"""The auditor: believes the payment system's ledger, hears when the service learned of what, and predicts the rest.

It imports nothing of the service. From the service's events it takes only the order in which things were learned and
accepted; what has to follow from each it computes by its own rulebook, and compares with the ledger, with the rows of
subscriptions, with the mails, and at quiet times with what people are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tests.simulation.heard import HeardEvent, LedgerPayment, LedgerRefund, SubscriptionRow
from tests.simulation.rulebook import Expected, PlanTerms, met, refund_due, unused_share

Letter = tuple[UUID, str, UUID]
"""Whom, which events, about which object."""


@dataclass(slots=True)
class BookedPayment:
    """A payment that the service said it would make."""

    id: UUID
    subscription_id: UUID
    user_id: UUID
    amount: int
    kind: str
    by_person: bool
    period_number: int
    requested_at: datetime
    terms: PlanTerms
    credit: int  # what of the price it does not pay
    status: str = "open"
    start: datetime | None = None
    end: datetime | None = None
    refunded: int = 0
    reserved: int = 0
    credited: int = 0  # lives on as credit since the plan was changed
    refused: bool = False  # not taken by the payment system at all, for a reason of its own

    @property
    def left(self) -> int:
        """What of it can still go back."""
        return self.amount - self.refunded - self.reserved - self.credited


@dataclass(slots=True)
class BookedRefund:
    id: UUID
    payment: BookedPayment
    amount: int
    origin: str
    ends: bool
    status: str = "open"


@dataclass(slots=True)
class Findings:
    """What went wrong, by the three words of the promise and a fourth for the rest."""

    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.double or self.lost or self.stuck or self.wrong)

    def lines(self) -> list[str]:
        kinds = {"double": self.double, "lost": self.lost, "stuck": self.stuck, "wrong": self.wrong}
        return [f"{kind}: {text}" for kind, texts in kinds.items() for text in texts]


class Auditor:
    def __init__(self, plans: dict[str, PlanTerms]) -> None:
        self.plans = plans
        self.prices: dict[str, int] = {}
        self.zones: dict[UUID, str] = {}
        self.findings = Findings()
        self.subscriptions: dict[UUID, Expected] = {}
        self.payments: dict[UUID, BookedPayment] = {}
        self.refunds: dict[UUID, BookedRefund] = {}
        self.letters: Counter[Letter] = Counter()
        self.unknown_outcomes = 0
        self.plan_changes = 0
        self.paid_days = 0.0
        self.ledger: dict[str, LedgerPayment] = {}
        self.ledger_refunds: dict[str, LedgerRefund] = {}
        self.touched: dict[UUID, None] = {}
        self.touched_users: dict[UUID, None] = {}
        self._charges: dict[UUID, list[str]] = {}
        self._returns: dict[UUID, str] = {}
        self._cabinet: dict[str, UUID] = {}
        self._removed: set[str] = set()

    # --- hearing -----------------------------------------------------------------------------------
    def hear_ledger(self, paid: Iterable[LedgerPayment], returned: Iterable[LedgerRefund]) -> None:
        """Money has moved there, or will not."""
        for one in paid:
            if one.provider_id not in self.ledger:
                self._charges.setdefault(one.payment_id, []).append(one.provider_id)
            before = self.ledger.get(one.provider_id)
            self.ledger[one.provider_id] = one
            if one.status == "succeeded" and (before is None or before.status != "succeeded"):
                taken = [name for name in self._charges[one.payment_id] if self.ledger[name].status == "succeeded"]
                if len(taken) > 1:
                    self.findings.double.append(f"payment {one.payment_id} was charged {len(taken)} times")
                booked = self.payments.get(one.payment_id)
                if booked is not None and booked.status == "canceled":
                    self.findings.lost.append(f"payment {one.payment_id} took money after it was booked as canceled")
            if one.refunded > one.amount:
                self.findings.double.append(f"of payment {one.payment_id} more was returned than taken")
        for refund in returned:
            self.ledger_refunds[refund.provider_id] = refund
            if refund.refund_id is None:
                continue
            before_id = self._returns.setdefault(refund.refund_id, refund.provider_id)
            if before_id != refund.provider_id and "canceled" not in (
                refund.status,
                self.ledger_refunds[before_id].status,
            ):
                self.findings.double.append(f"refund {refund.refund_id} was made twice")

    def hear_events(self, events: list[HeardEvent]) -> None:
        """In their order; events of one transaction stand side by side."""
        for event in events:
            self.touched[event.subscription_id] = None
            self.touched_users[event.user_id] = None
            hear = getattr(self, "_on_" + event.type.replace(".", "_"), None)
            if hear is None:
                self.findings.wrong.append(f"nobody expects an event {event.type}")
                continue
            hear(event)

    # --- subscriptions -------------------------------------------------------------------------------
    def _on_subscription_requested(self, event: HeardEvent) -> None:
        if self._has(event.user_id, event.data["plan_code"], None):
            self.findings.double.append(f"{event.user_id} has a second subscription to {event.data['plan_code']}")
        self.subscriptions[event.subscription_id] = Expected(
            event.subscription_id, event.user_id, self.plans[event.data["plan_code"]], self.zones[event.user_id]
        )

    def _on_subscription_activated(self, event: HeardEvent) -> None:
        self._must(event, self._of(event).status == "active", "activated without money")

    def _on_subscription_renewed(self, event: HeardEvent) -> None:
        it = self._of(event)
        if event.payment_id is not None:
            self._must(event, it.status == "active", "renewed without money")
            return
        due_at = it.next_charge or it.end_at
        due = due_at is not None and due_at <= event.at
        owed = event.actor == "user" and it.status == "past_due"
        used, charge, _ = met(self.prices[it.coming.code], it.balance)
        may = it.running and not it.ending and it.ending_refund is None and it.open_payment is None
        self._must(event, (due or owed) and may and charge == 0, "renewed for nothing")
        start, end = it.paid(event.at, None, it.coming, used)
        self.paid_days += (end - start).total_seconds() / 86400
        self._letter(it.user_id, "subscription.renewed", it.id)

    # --- changes of plan -------------------------------------------------------------------------------
    def _on_subscription_plan_changed(self, event: HeardEvent) -> None:
        it = self._of(event)
        if event.payment_id is not None or event.data.get("quiet"):
            return  # said with the payment, or with the renewal
        terms = self.plans[event.data["plan_code"]]
        used, charge, left = self._change(event, it, terms)
        self._must(event, charge == 0, "a plan was changed without what is due for it")
        self._turn_into_credit(it, used + left - it.balance)
        self._changes(it, event.at, None, terms, used, left)
        self._letter(it.user_id, "subscription.plan_changed", it.id)

    def _on_subscription_plan_change_planned(self, event: HeardEvent) -> None:
        it, terms = self._of(event), self.plans[event.data["plan_code"]]
        self._change(event, it, terms)
        self._must(event, it.end is not None and it.end > event.at, "planned for a period that is over")
        it.next_terms = terms
        self._letter(it.user_id, "subscription.plan_change_planned", it.id)

    def _on_subscription_plan_change_dropped(self, event: HeardEvent) -> None:
        it = self._of(event)
        self._must(event, event.actor == "user" and it.next_terms is not None, "nothing was planned")
        it.next_terms = None

    def _change(self, event: HeardEvent, it: Expected, terms: PlanTerms) -> tuple[int, int, int]:
        """Whether it may be changed like that, and how the new price is met: credit used, money, credit left."""
        may = it.running and not it.ending and it.ending_refund is None and it.open_payment is None
        self._must(event, event.actor == "user" and may, "a change of plan nobody may make")
        taken = terms == it.terms or self._has(it.user_id, terms.code, it)
        self._must(event, not taken, "changed to a plan that the person has")
        credit = it.balance
        payer = self._payer(it)
        if event.type != "subscription.plan_change_planned":
            self._must(event, payer is None or not payer.reserved, "changed while its money was on its way back")
        if it.status == "active":
            assert it.start is not None
            assert it.end is not None
            paid, kept = it.credit, it.credit
            if payer is not None:
                paid, kept = paid + payer.amount, kept + payer.left
            credit += unused_share(paid, kept, it.start, it.end, event.at)
        return met(self.prices[terms.code], credit)

    def _payer(self, it: Expected) -> BookedPayment | None:
        return self.payments[it.payer] if it.payer is not None else None

    def _turn_into_credit(self, it: Expected, unused: int) -> None:
        """Of the money that paid the period that is left; credit that helped to pay it comes after that."""
        payer = self._payer(it)
        if payer is not None:
            payer.credited += min(unused, payer.left)

    def _changes(self, it: Expected, at: datetime, payer: UUID | None, terms: PlanTerms, used: int, left: int) -> None:
        """What is left of the old period is not lived through: it counts for no month."""
        self.plan_changes += 1
        assert it.end is not None
        self.paid_days -= max((it.end - at).total_seconds(), 0) / 86400
        it.changed(at, payer, terms, used, left)
        assert it.start is not None
        self.paid_days += (it.end - it.start).total_seconds() / 86400

    def _has(self, user_id: UUID, plan_code: str, beside: Expected | None) -> bool:
        """Whether the person has, or is to have, a subscription to that plan, another than `beside`."""
        return any(
            one.user_id == user_id and not one.ended and plan_code in (one.terms.code, one.coming.code)
            for one in self.subscriptions.values()
            if one is not beside
        )

    def _on_subscription_past_due(self, event: HeardEvent) -> None:
        it = self._of(event)
        due_at = it.next_charge if it.status == "past_due" else it.end_at
        due = due_at is not None and due_at <= event.at and not it.has_method and not it.ending
        if it.status == "past_due" and not due:
            return  # said with the refusal, or with the removal of the method
        self._must(event, due and it.open_payment is None, "past due without reason")
        _, charge, _ = met(self.prices[it.coming.code], it.balance)
        self._must(event, charge > 0, "asked to pay what the balance pays")
        self._must(event, it.ending_refund is None, "asked to pay for what is being returned")
        it.lacks_method(event.at)
        self._letter(it.user_id, "subscription.past_due", it.id)

    def _on_subscription_charge_planned(self, event: HeardEvent) -> None:
        it = self._of(event)
        timely = it.remind_at is not None and it.remind_at <= event.at
        self._must(
            event, timely and it.next_charge is not None and it.next_charge > event.at, "reminded at a wrong time"
        )
        self._must(event, it.ending_refund is None, "reminded of a charge while money is being returned")
        _, charge, _ = met(self.prices[it.coming.code], it.balance)
        self._must(event, _minor(event.data["amount"]) == charge > 0, "reminded with a wrong price")
        it.remind_at = None
        self._letter(it.user_id, "subscription.charge_planned", it.id)

    def _on_subscription_cancellation_planned(self, event: HeardEvent) -> None:
        it = self._of(event)
        self._must(event, event.actor == "user" and it.running and not it.ending, "a cancellation nobody asked for")
        it.ending = True
        it.next_charge = it.remind_at = None
        it.end_at = it.end
        self._letter(it.user_id, "subscription.cancellation_planned", it.id)

    def _on_subscription_resumed(self, event: HeardEvent) -> None:
        it = self._of(event)
        self._must(event, event.actor == "user" and it.running and it.ending, "resumed without a planned end")
        it.ending = False
        it.plan()

    def _on_subscription_canceled(self, event: HeardEvent) -> None:
        it = self._of(event)
        if it.status == "canceled":
            return  # said with the refund
        planned = it.ending and it.end_at is not None and it.end_at <= event.at and it.open_payment is None
        self._must(event, not it.ended and (event.actor == "user" or planned), "canceled by nobody")
        it.over("canceled")
        self._letter(it.user_id, "subscription.canceled", it.id)

    def _on_subscription_expired(self, event: HeardEvent) -> None:
        it = self._of(event)
        if it.status == "expired":
            return  # said with the payment
        due = it.status == "past_due" and it.end_at is not None and it.end_at <= event.at and not it.ending
        self._must(event, due and it.open_payment is None, "expired too early")
        self._must(event, it.ending_refund is None, "expired while money is being returned")
        _, charge, _ = met(self.prices[it.coming.code], it.balance)
        self._must(event, charge > 0, "expired while the balance pays")
        it.over("expired")
        self._letter(it.user_id, "subscription.expired", it.id)

    def _on_payment_method_removed(self, event: HeardEvent) -> None:
        it = self._of(event)
        self._must(event, event.actor == "user" and it.has_method, "a method was removed by nobody")
        if it.method is not None:
            self._removed.add(it.method)
        _, charge, _ = met(self.prices[it.coming.code], it.balance)
        if it.method_removed(event.at, charge):
            self._letter(it.user_id, "subscription.past_due", it.id)

    # --- payments --------------------------------------------------------------------------------------
    def _on_payment_requested(self, event: HeardEvent) -> None:
        it, data = self._of(event), event.data
        assert event.payment_id is not None
        by_person = event.actor == "user"
        self._must(event, it.open_payment is None, "a second payment while one is open")
        terms = self.plans[data["plan_code"]]
        if data["kind"] == "plan_change":
            used, charge, _ = self._change(event, it, terms)
        else:
            used, charge, _ = met(self.prices[it.coming.code], it.balance)
            self._must(event, terms == it.coming, "asked for another plan's price")
        self._must(event, _minor(data["amount"]) == charge > 0, "asked for a wrong amount")
        if data["kind"] == "plan_change":
            pass  # looked at above
        elif data["kind"] == "first":
            self._must(event, it.status == "pending", "a first payment of what has begun")
        elif by_person:
            self._must(
                event, it.status == "past_due" and it.ending_refund is None, "paid by hand while nothing is owed"
            )
        else:
            due = it.next_charge is not None and it.next_charge <= event.at
            may = it.running and it.has_method and not it.ending and it.ending_refund is None
            self._must(event, due and may, "renewed what is not due, or must not be charged")
        booked = BookedPayment(
            event.payment_id,
            it.id,
            it.user_id,
            _minor(data["amount"]),
            data["kind"],
            by_person or data["kind"] == "first",
            it.number + 1,
            event.at,
            terms,
            used,
        )
        self.payments[booked.id], it.open_payment = booked, booked.id

    def _on_payment_pending(self, event: HeardEvent) -> None:
        self._must(event, self._payment(event).status == "open", "pending after its end")

    def _on_payment_unknown(self, event: HeardEvent) -> None:
        self.unknown_outcomes += 1
        self._must(event, self._payment(event).status == "open", "unknown after its end")

    def _on_payment_succeeded(self, event: HeardEvent) -> None:
        it, payment = self._of(event), self._payment(event)
        taken = [self.ledger[name] for name in self._charges.get(payment.id, [])]
        true = any(one.status == "succeeded" and one.amount == payment.amount for one in taken)
        self._must(event, true and payment.status == "open", "booked as paid what was not")
        payment.status, it.open_payment = "succeeded", None
        late = it.status != "pending" if payment.kind == "first" else not it.running
        late = late or (payment.kind == "plan_change" and not self._still_stands(it, payment))
        if late or it.ending or it.ending_refund is not None:
            return  # it goes back: see _on_refund_requested and the check of a quiet time
        used = next((one.method for one in taken if one.status == "succeeded"), None)
        if used is not None and used not in self._removed:
            it.method = used
        happened = "subscription.activated" if payment.kind == "first" else "subscription.renewed"
        if payment.kind == "plan_change":
            happened = "subscription.plan_changed"
            self._turn_into_credit(it, payment.credit - it.balance)
            self._changes(it, event.at, payment.id, payment.terms, payment.credit, 0)
            payment.start, payment.end = it.start, it.end
        else:
            payment.start, payment.end = it.paid(event.at, payment.id, payment.terms, payment.credit)
            self.paid_days += (payment.end - payment.start).total_seconds() / 86400
        self._letter(it.user_id, f"payment.succeeded {happened}", payment.id)

    def _still_stands(self, it: Expected, change: BookedPayment) -> bool:
        payer = self._payer(it)
        kept = it.balance + it.credit + (payer.left if payer is not None else 0)
        return change.credit <= kept and not self._has(it.user_id, change.terms.code, it)

    def _on_payment_failed(self, event: HeardEvent) -> None:
        it, payment = self._of(event), self._payment(event)
        there = [self.ledger[name] for name in self._charges.get(payment.id, [])]
        self._must(event, payment.status == "open", "failed after its end")
        if any(one.status != "canceled" for one in there):
            self.findings.lost.append(f"payment {payment.id} was given up while {there[0].status} there ({event.at})")
        payment.status, it.open_payment = "canceled", None
        payment.refused = event.data["reason"] == "invalid_request"
        self._must(event, not (payment.refused and there), "refused by a payment system that took it")
        if payment.kind == "first":
            if it.status == "pending":
                it.over("expired")
                self._letter(it.user_id, "payment.failed subscription.expired", payment.id)
        elif payment.by_person:
            if payment.kind == "plan_change" or it.goes_on:  # a change is waited for, whatever else has happened
                self._letter(it.user_id, "payment.failed", payment.id)
        elif it.goes_on and (there or event.data["reason"] != "internal_timeout"):
            self._renewal_refused(event, it, payment)  # what never arrived there is due still: nobody was refused

    def _renewal_refused(self, event: HeardEvent, it: Expected, payment: BookedPayment) -> None:
        first = it.first_failed is None
        verdict = it.refused(event.data["reason"], payment.requested_at, event.at)
        if verdict == "over":
            self._letter(it.user_id, "payment.failed subscription.expired", payment.id)
        elif first:
            self._letter(it.user_id, "payment.failed subscription.past_due", payment.id)
        elif verdict == "ask":
            self._letter(it.user_id, "payment.failed", payment.id)

    # --- refunds -----------------------------------------------------------------------------------------
    def _on_refund_requested(self, event: HeardEvent) -> None:
        it, payment, data = self._of(event), self._payment(event), event.data
        assert event.refund_id is not None
        amount, left = _minor(data["amount"]), payment.left
        self._must(event, payment.status == "succeeded" and 0 < amount <= left, "a refund of more than is left")
        current = payment.start is not None and payment.period_number == it.number and it.running
        ends = current and amount == left
        if data["origin"] == "person":
            assert payment.start is not None
            assert payment.end is not None
            due = refund_due(payment.amount, left, payment.credited, payment.start, payment.end, event.at)
            self._must(event, event.actor == "user" and current and amount == due, f"a refund of {amount}, due {due}")
            ends = True
        elif data["origin"] == "late_money":
            self._must(event, payment.start is None and amount == payment.amount, "late money returned in part")
            ends = False
        payment.reserved += amount
        self.refunds[event.refund_id] = BookedRefund(event.refund_id, payment, amount, data["origin"], ends)
        if ends:
            it.ending_refund = event.refund_id

    def _on_refund_pending(self, event: HeardEvent) -> None:
        assert event.refund_id is not None
        self._must(event, self.refunds[event.refund_id].status == "open", "a refund is pending after its end")

    def _on_refund_unknown(self, event: HeardEvent) -> None:
        assert event.refund_id is not None
        self.unknown_outcomes += 1
        self._must(event, self.refunds[event.refund_id].status == "open", "a refund is unknown after its end")

    def _on_refund_succeeded(self, event: HeardEvent) -> None:
        it, payment = self._of(event), self._payment(event)
        assert event.refund_id is not None
        if event.data["origin"] == "cabinet":
            refund = self._cabinet_refund(event, payment, it)
        else:
            refund = self.refunds[event.refund_id]
            there = self.ledger_refunds.get(self._returns.get(refund.id, ""))
            true = there is not None and there.status == "succeeded" and there.amount == refund.amount
            self._must(event, true and refund.status == "open", "booked as returned what was not")
            payment.reserved -= refund.amount
        refund.status = "succeeded"
        payment.refunded += refund.amount
        if it.ending_refund == refund.id:
            it.ending_refund = None
        if refund.ends and not it.ended:
            it.over("canceled")
            self._letter(it.user_id, "refund.succeeded subscription.canceled", refund.id)
        else:
            self._letter(it.user_id, "refund.succeeded", refund.id)

    def _cabinet_refund(self, event: HeardEvent, payment: BookedPayment, it: Expected) -> BookedRefund:
        assert event.refund_id is not None
        amount = _minor(event.data["amount"])
        mine = {self.ledger[name].provider_id for name in self._charges.get(payment.id, [])}
        unbooked = [
            one.provider_id
            for one in self.ledger_refunds.values()
            if one.refund_id is None
            and one.payment_provider_id in mine
            and one.amount == amount
            and one.provider_id not in self._cabinet
        ]
        self._must(event, bool(unbooked), "a refund of the cabinet that is not in the ledger")
        if unbooked:
            self._cabinet[unbooked[0]] = event.refund_id
        left = payment.left
        ends = payment.start is not None and payment.period_number == it.number and it.running and amount == left
        refund = BookedRefund(event.refund_id, payment, amount, "cabinet", ends)
        self.refunds[refund.id] = refund
        return refund

    def _on_refund_failed(self, event: HeardEvent) -> None:
        assert event.refund_id is not None
        it, refund = self._of(event), self.refunds[event.refund_id]
        there = self.ledger_refunds.get(self._returns.get(refund.id, ""))
        if there is not None and there.status != "canceled":
            self.findings.lost.append(f"refund {refund.id} was given up while {there.status} there")
        refund.status = "canceled"
        refund.payment.reserved -= refund.amount
        if it.ending_refund == refund.id:
            it.ending_refund = None
        self._letter(it.user_id, "refund.failed", refund.id)

    # --- comparing -----------------------------------------------------------------------------------------
    def compare_rows(self, rows: Iterable[SubscriptionRow]) -> None:
        """What is written is what was predicted."""
        for row in rows:
            it = self.subscriptions[row.id]
            predicted = {
                "status": it.status,
                "period_number": it.number,
                "period_start": it.start,
                "period_end": it.end,
                "cancel_at_period_end": it.ending,
                "next_charge_at": it.next_charge,
                "end_at": it.end_at,
                "open_payment_id": it.open_payment,
                "refunding": it.ending_refund is not None,
                "has_method": it.has_method,
                "plan_code": it.terms.code,
                "next_plan_code": it.next_terms.code if it.next_terms else None,
                "balance": it.balance,
                "period_credit": it.credit,
            }
            if it.ended:
                del predicted["refunding"], predicted["has_method"]
            for name, value in predicted.items():
                if getattr(row, name) != value:
                    self.findings.wrong.append(
                        f"subscription {row.id}: {name} is {getattr(row, name)}, predicted {value} (it is {it.status})"
                    )

    def at_rest(self, now: datetime, mails: Counter[Letter]) -> None:
        """In a quiet time all has ended: the ledger, the books, the mails and the due dates agree."""
        self._ledger_and_books()
        for payment in self.payments.values():
            if payment.status == "open":
                self.findings.stuck.append(f"payment {payment.id} has not ended (since {payment.requested_at})")
        for refund in self.refunds.values():
            if refund.status == "open":
                self.findings.stuck.append(f"refund {refund.id} has not ended")
        self._nothing_due(now)
        for letter in self.letters - mails:
            self.findings.lost.append(f"a mail was not sent: {letter}")
        for letter in mails - self.letters:
            self.findings.double.append(f"a mail too many: {letter}")

    def _ledger_and_books(self) -> None:
        for name, one in self.ledger.items():
            booked = self.payments.get(one.payment_id)
            if booked is None:
                self.findings.double.append(f"{name} was charged and stands in no book")
            elif one.status == "succeeded" and booked.status != "succeeded":
                self.findings.lost.append(f"payment {booked.id} was paid and stands as {booked.status}")
            elif one.status == "succeeded" and booked.start is None and one.refunded != one.amount:
                failed = any(r.payment is booked and r.status == "canceled" for r in self.refunds.values())
                if not failed:  # else a person looks at it: there is a case
                    self.findings.double.append(f"payment {booked.id} pays for nothing and was not returned")
            elif one.refunded != booked.refunded:
                self.findings.lost.append(f"payment {booked.id}: {one.refunded} returned there, {booked.refunded} here")

    def _nothing_due(self, now: datetime) -> None:
        for it in self.subscriptions.values():
            if it.next_charge is not None and it.next_charge <= now and it.ending_refund is None:
                self.findings.lost.append(f"subscription {it.id} was to be charged at {it.next_charge}")
            returned = it.ending_refund is not None and not it.ending
            if it.end_at is not None and it.end_at <= now and it.open_payment is None and not returned:
                self.findings.stuck.append(f"subscription {it.id} was to end at {it.end_at}")
            overdue = it.remind_at is not None and it.remind_at <= now - timedelta(days=1) and not returned
            # With a balance nothing may have been due when it was to be told of.
            if overdue and it.next_charge is not None and it.next_charge > now and not it.balance:
                self.findings.lost.append(f"subscription {it.id} was not reminded at {it.remind_at}")

    def compare_access(self, user_id: UUID, shown: dict[UUID, datetime], now: datetime) -> None:
        """What the auth service is told: exactly what is paid for and not over, with its grace."""
        mine = [one for one in self.subscriptions.values() if one.user_id == user_id]
        ends = {one.id: one.access_until() for one in mine}
        due = {name: until for name, until in ends.items() if until is not None and until > now}
        if shown != due:
            self.findings.wrong.append(f"{user_id} is shown to have {shown}, has {due}")

    def compare_history(self, user_id: UUID, shown: dict[UUID, tuple[str, str, str]], *, complete: bool) -> None:
        """What the person reads of their payments is what the ledger says."""
        for payment in self.payments.values():
            if payment.user_id != user_id:
                continue
            expected = (payment.status, _shown(payment.amount), _shown(payment.refunded))
            found = shown.get(payment.id)
            if found != expected and (complete or found is not None):
                self.findings.wrong.append(f"{user_id} reads of payment {payment.id}: {found}, it is {expected}")

    def compare_flagged(self, payment_ids: Iterable[UUID]) -> None:
        """Somebody looks at each renewal that the payment system refused to take at all, and at no payment beside.

        Of those that people make themselves one stands for all, or whoever tries again and again would fill the queue.
        """
        refused = {one.id: one.by_person for one in self.payments.values() if one.refused}
        flagged, by_hand = set(payment_ids), [one for one, by_person in refused.items() if by_person]
        self.findings.lost += [
            f"nobody looks at the refused payment {one}"
            for one, by_person in refused.items()
            if not by_person and one not in flagged
        ]
        if by_hand and len(flagged.intersection(by_hand)) != 1:
            self.findings.lost.append(
                f"{len(by_hand)} payments that people made were refused, and {flagged} are looked at"
            )
        self.findings.wrong += [f"payment {one} is flagged for nothing" for one in flagged - refused.keys()]

    def provider_id_of(self, payment_id: UUID) -> str:
        return next(name for name in self._charges[payment_id] if self.ledger[name].status == "succeeded")

    # --- small things ----------------------------------------------------------------------------------------
    def _of(self, event: HeardEvent) -> Expected:
        return self.subscriptions[event.subscription_id]

    def _payment(self, event: HeardEvent) -> BookedPayment:
        assert event.payment_id is not None
        return self.payments[event.payment_id]

    def _must(self, event: HeardEvent, holds: bool, else_: str) -> None:
        if not holds:
            about = event.payment_id or event.refund_id or event.subscription_id
            self.findings.wrong.append(f"{else_}: {event.type} at {event.at} of {about}")

    def _letter(self, user_id: UUID, events: str, about: UUID) -> None:
        self.letters[user_id, events, about] += 1


def _minor(value: str) -> int:
    return int(Decimal(value) * 100)


def _shown(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
