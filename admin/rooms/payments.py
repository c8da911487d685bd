"""Payments: seen, found, returned (ADM-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html

from admin import looks
from admin.acts import Act, ActForm, Text, rubles
from admin.commands_api import Asked, Done
from admin.filters import AmountSpan, DaySpan, OfPaymentSystem
from admin.finding import Search, find_payments
from admin.models import Case, Event, Payment
from admin.room import Fact, Room, Table
from admin.rooms.shown import history_table, refunds_table
from admin.wording import said, say
from domain.money import Money


class RefundForm(ActForm):
    amount = forms.DecimalField(
        label=say("Amount, ₽"),
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        localize=True,
        required=False,
        help_text=say(
            "Left empty: all that is left of the payment. If that is the payment for the current period, "
            "the subscription ends."
        ),
    )
    reason = forms.CharField(label=say("Reason"), max_length=500)

    sent_as = {"amount.value": "amount"}  # noqa: RUF012 - the base says ClassVar


class RefundPayment(Act):
    name = "refund"
    title = say("Refund the payment")
    button = say("Refund the money")
    permission = "billing.refund_payment"
    form = RefundForm
    grave = True

    def is_possible(self, target: Payment, now: datetime) -> bool:
        return target.left_to_refund > 0

    def ask(self, target: Payment, given: Mapping[str, Any], key: str) -> Asked:
        body: dict[str, Any] = {"payment_id": str(target.pk), "reason": given["reason"]}
        if given["amount"] is not None:
            body["amount"] = rubles(given["amount"])
        return Asked("POST", "/internal/v1/refunds", body, key)

    def told(self, target: Payment, answer: Done) -> Text:
        amount = answer.body.get("refund", {}).get("amount", {}).get("value")
        minor = Money.parse(amount, target.currency).minor if amount else None
        return format_html("{}: {}", said("The refund is on its way"), looks.money(minor, target.currency))


@admin.register(Payment)
class Payments(Room):
    list_display = ("created", "person", "plan", "kind", "state", "sum", "returned", "payment_system")
    list_filter = ("status", "kind", OfPaymentSystem, DaySpan, AmountSpan, "plan")
    list_select_related = ("user", "plan")
    search = Search(find_payments)
    search_help_text = say("Id here or at the payment system, reference, e-mail, name, id of a user or subscription")
    hint = say("No payment found: remove a filter, or search by the user's e-mail.")
    acts = (RefundPayment(),)

    @admin.display(description=say("created"))
    def created(self, one: Payment) -> str:
        return looks.when(one.created_at)

    @admin.display(description=say("user"))
    def person(self, one: Payment) -> str:
        return looks.link(one.user)

    @admin.display(description=say("status"))
    def state(self, one: Payment) -> str:
        return looks.because(looks.badge(one.status), one.cancel_reason)

    @admin.display(description=say("amount"))
    def sum(self, one: Payment) -> str:
        return looks.money(one.amount, one.currency)

    @admin.display(description=say("returned"))
    def returned(self, one: Payment) -> str:
        return looks.money(one.refunded, one.currency) if one.refunded else looks.NOTHING

    def title(self, target: Payment) -> str:
        return f"{said('Payment')} – {target.user}"

    def facts(self, target: Payment) -> Sequence[Fact]:
        facts: list[Fact] = [
            (say("status"), self.state(target)),
            (say("amount"), self.sum(target)),
            (say("returned"), self.returned(target)),
            (say("can still be refunded"), looks.money(target.left_to_refund, target.currency)),
            (say("kind"), target.get_kind_display()),
            (say("user"), looks.link(target.user)),
            (say("subscription"), looks.link(target.subscription)),
            (say("plan"), looks.link(target.plan)),
            (say("period"), looks.period(target.period_start, target.period_end)),
            (say("payment method"), str(target.payment_method) if target.payment_method else looks.NOTHING),
            (say("payment system"), target.payment_system or looks.NOTHING),
            (say("id at the payment system"), looks.code(target.provider_payment_id)),
            (say("id"), looks.code(str(target.pk))),
            (say("created"), looks.when(target.created_at)),
            (say("settled"), looks.when(target.settled_at)),
        ]
        if target.cancel_reason:
            facts.append((say("refused because"), looks.reason_for(target.cancel_reason)))
        if target.source:
            facts.append((say("paid outside"), f"{target.source} {target.reference}"))
        if target.last_silence and target.status in {"pending", "unknown"}:
            facts.append((say("last silence"), f"{target.last_silence} ({target.asks})"))
            facts.append((say("asked again"), looks.when(target.ask_again_at)))
        if target.confirmation_url and target.status == "pending":
            facts.append((say("payment page"), looks.outside(target.confirmation_url)))
        return facts

    def tables(self, target: Payment, now: datetime) -> Sequence[Table]:
        cases = Case.objects.filter(payment_id=target.pk).order_by("-opened_at")[:50]
        rows = [(looks.link(one, said(one.kind)), one.detail, looks.when(one.opened_at)) for one in cases]
        heads = (say("case"), say("what was found"), say("opened"))
        happened = Event.objects.filter(subscription_id=target.subscription_id, payment_id=target.pk)
        return (
            refunds_table(target.refunds.all()),
            Table(say("Cases"), heads, rows, say("Nothing about it waits for a person.")),
            history_table(happened),
        )
