"""Users, and everything that one of them has bought, paid and got back (ADM-3, ADM-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from admin import looks
from admin.acts import Act, ActForm, Text
from admin.commands_api import Asked, Done
from admin.finding import Search, find_persons
from admin.models import Event, PaymentSystem, Person, Plan
from admin.room import Fact, Room, Table
from admin.rooms.links import address_field, told_link
from admin.rooms.shown import all_of, history_table, payments_table, refunds_table, subscriptions_table
from admin.wording import said, say

_LINK = ("plan_code", "payment_system", "return_url")


def _for_sale() -> list[tuple[str, str]]:
    plans = Plan.objects.filter(available=True, archived_at=None).order_by("name")[:200]
    return [(plan.code, f"{plan.name} ({plan.code})") for plan in plans]


def _usable() -> list[tuple[str, str]]:
    """First the one that is meant where a caller names none."""
    systems = PaymentSystem.objects.filter(enabled=True, archived_at=None).order_by("code")[:50]
    first = sorted(systems, key=lambda system: system.code != "yookassa")
    return [(system.code, f"{system.name} ({system.code})") for system in first]


class PlanLinkForm(ActForm):
    plan_code = forms.ChoiceField(label=say("Plan"), choices=_for_sale)
    payment_system = forms.ChoiceField(label=say("Payment system"), choices=_usable)
    return_url = address_field()


class SendPlanLink(Act):
    name = "payment-link"
    title = say("A payment link for a new subscription")
    button = say("Payment link")
    explanation = say("The subscription begins when the link was paid, at the price that holds now.")
    permission = "billing.send_payment_link"
    form = PlanLinkForm

    def ask(self, target: Person, given: Mapping[str, Any], key: str) -> Asked:
        body = {"user_id": str(target.pk), **{name: given[name] for name in _LINK}}
        return Asked("POST", "/internal/v1/payments", body, key)

    def told(self, target: Person, answer: Done) -> Text:
        return told_link(answer)


@admin.register(Person)
class People(Room):
    list_display = ("who", "email", "locale", "zone", "since")
    search = Search(find_persons)
    search_help_text = say("E-mail, name, or the id of a user, subscription, payment or refund")
    hint = say("Nobody found. Search by the beginning of an e-mail, a part of a name, or an id.")
    acts = (SendPlanLink(),)

    @admin.display(description=say("name"))
    def who(self, person: Person) -> str:
        return person.name or str(person.id)

    @admin.display(description=say("known since"))
    def since(self, person: Person) -> str:
        return looks.when(person.created_at)

    def facts(self, target: Person) -> Sequence[Fact]:
        facts: list[Fact] = [
            (say("name"), target.name or looks.NOTHING),
            (say("e-mail"), target.email or looks.NOTHING),
            (say("id"), looks.code(str(target.id))),
            (say("language"), target.locale or looks.NOTHING),
            (say("time zone"), target.zone or looks.NOTHING),
            (say("known since"), looks.when(target.created_at)),
        ]
        if target.erased_at is not None:
            facts.append((say("personal data erased"), looks.when(target.erased_at)))
        return facts

    def tables(self, target: Person, now: datetime) -> Sequence[Table]:
        methods = target.methods.order_by("-created_at")[:50]
        cards = [
            (
                one.title,
                one.payment_system,
                looks.flag("removed", "quiet") if one.removed_at else looks.flag("saved", "good"),
                looks.when(one.created_at),
            )
            for one in methods
        ]
        heads = (say("method"), say("payment system"), say("status"), say("created"))
        return (
            subscriptions_table(target.subscriptions.all()),
            payments_table(target.payments.all(), all_of("payment", user__id__exact=target.pk)),
            refunds_table(target.refunds.all(), all_of("refund", user__id__exact=target.pk)),
            Table(say("Payment methods"), heads, cards, said("No payment method is saved.")),
            history_table(Event.objects.filter(user_id=target.pk), all_of("event", user_id=target.pk)),
        )

    ordering = ("id",)
