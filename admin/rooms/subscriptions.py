"""Subscriptions: seen, canceled, charged again (ADM-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin

from admin import looks
from admin.acts import Act, ActForm, Text
from admin.commands_api import Asked, Done
from admin.filters import OfPaymentSystem
from admin.finding import Search, find_subscriptions
from admin.models import Event, Refund, Subscription
from admin.present import present
from admin.prices import charge_due
from admin.room import Fact, Room, Table
from admin.rooms.links import address_field, told_link
from admin.rooms.outside import RecordPayment, RecordRefund
from admin.rooms.shown import history_table, payments_table, refunds_table
from admin.wording import said, say

_PATH = "/internal/v1/subscriptions"


class CancelForm(ActForm):
    when = forms.ChoiceField(
        label=say("When"),
        choices=[("period_end", say("at the end of the paid period")), ("now", say("now, and access ends at once"))],
        widget=forms.RadioSelect,
        initial="period_end",
    )
    reason = forms.CharField(label=say("Reason"), max_length=500, required=False)


class Cancel(Act):
    name = "cancel"
    title = say("Cancel the subscription")
    button = say("Cancel the subscription")
    explanation = say("No money is returned by it: that is a refund of its payment.")
    permission = "billing.cancel_subscription"
    form = CancelForm
    grave = True

    def is_possible(self, target: Subscription, now: datetime) -> bool:
        return not target.has_ended

    def initial(self, target: Subscription) -> dict[str, Any]:
        return {"when": "period_end" if target.period_end else "now"}

    def ask(self, target: Subscription, given: Mapping[str, Any], key: str) -> Asked:
        body = {"when": given["when"], "reason": given["reason"] or None}
        return Asked("POST", f"{_PATH}/{target.pk}/cancel", body, key)

    def told(self, target: Subscription, answer: Done) -> Text:
        ended = answer.body.get("subscription", {}).get("status") == "canceled"
        return said("The subscription was canceled" if ended else "The subscription will end with its period")


class Retry(Act):
    name = "retry"
    title = say("Charge now")
    button = say("Charge now")
    explanation = say(
        "The saved payment method is charged for the next period, at the price that holds now. "
        "If it is refused, the planned tries are made as before."
    )
    permission = "billing.renew_subscription"
    grave = True

    def is_possible(self, target: Subscription, now: datetime) -> bool:
        return target.can_be_charged(now)

    def ask(self, target: Subscription, given: Mapping[str, Any], key: str) -> Asked:
        return Asked("POST", "/internal/v1/renewals", {"subscription_id": str(target.pk), "early": True}, key)

    def told(self, target: Subscription, answer: Done) -> Text:
        payment = answer.body.get("payment")
        if payment is None:
            return said("It was renewed from credit; nothing was charged.")
        words = {
            "succeeded": "It was charged.",
            "canceled": "The charge was refused; its payment says why.",
            "pending": "The charge is under way.",
        }
        return said(
            words.get(str(payment.get("status")), "The payment system has not answered yet; it is asked until it does.")
        )


class LinkForm(ActForm):
    return_url = address_field()


class SendLink(Act):
    name = "payment-link"
    title = say("A payment link for this subscription")
    button = say("Payment link")
    permission = "billing.send_payment_link"
    form = LinkForm

    def is_possible(self, target: Subscription, now: datetime) -> bool:
        return target.status == "past_due"

    def ask(self, target: Subscription, given: Mapping[str, Any], key: str) -> Asked:
        body = {
            "user_id": str(target.user_id),
            "subscription_id": str(target.pk),
            "return_url": given["return_url"],
        }
        return Asked("POST", "/internal/v1/payments", body, key)

    def told(self, target: Subscription, answer: Done) -> Text:
        return told_link(answer)


@admin.register(Subscription)
class Subscriptions(Room):
    list_display = ("created", "person", "plan", "state", "until", "next_charge", "payment_system")
    list_filter = ("status", "plan", OfPaymentSystem)
    list_select_related = ("user", "plan")
    search = Search(find_subscriptions)
    search_help_text = say("Id of a subscription, payment or user; e-mail or name")
    hint = say("No subscription found: remove a filter, or search by the user's e-mail.")
    acts: ClassVar[Sequence[Act]] = (Retry(), SendLink(), RecordPayment(), RecordRefund(), Cancel())

    @admin.display(description=say("created"))
    def created(self, one: Subscription) -> str:
        return looks.when(one.created_at)

    @admin.display(description=say("user"))
    def person(self, one: Subscription) -> str:
        return looks.link(one.user)

    @admin.display(description=say("status"))
    def state(self, one: Subscription) -> str:
        if one.cancel_at_period_end and not one.has_ended:
            return looks.joined((looks.badge(one.status), looks.flag("will end", "waiting")))
        return looks.badge(one.status)

    @admin.display(description=say("period until"))
    def until(self, one: Subscription) -> str:
        return looks.when(one.period_end)

    @admin.display(description=say("next charge"))
    def next_charge(self, one: Subscription) -> str:
        return looks.when(one.next_charge_at)

    def title(self, target: Subscription) -> str:
        return f"{target.plan.name} – {target.user}"

    def facts(self, target: Subscription) -> Sequence[Fact]:
        due = charge_due(target, present())
        why: tuple[Fact, ...] = ((say("why it was canceled"), target.cancel_reason),) if target.cancel_reason else ()
        return (
            (say("status"), self.state(target)),
            (say("user"), looks.link(target.user)),
            (say("plan"), looks.link(target.plan)),
            (say("period"), looks.period(target.period_start, target.period_end)),
            (say("next charge"), looks.when(target.next_charge_at)),
            (say("sum of the next charge"), looks.money(due.minor, due.currency) if due else looks.NOTHING),
            (say("payment method"), str(target.payment_method) if target.payment_method else looks.NOTHING),
            (say("payment system"), target.payment_system),
            (say("refused tries"), target.failed_tries),
            (say("credit"), looks.money(target.balance, target.currency)),
            (say("id"), looks.code(str(target.pk))),
            (say("created"), looks.when(target.created_at)),
            (say("ended"), looks.when(target.ended_at)),
            *why,
        )

    def tables(self, target: Subscription, now: datetime) -> Sequence[Table]:
        # By the user as well: that is what the index begins with.
        return (
            payments_table(target.payments.filter(user_id=target.user_id)),
            refunds_table(Refund.objects.filter(subscription_id=target.pk)),
            history_table(Event.objects.filter(subscription_id=target.pk)),
        )
