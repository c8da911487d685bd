"""Refunds, whoever asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib import admin

from admin import looks
from admin.filters import AmountSpan, DaySpan
from admin.finding import Search, find_refunds
from admin.models import Event, Refund
from admin.room import Fact, Room, Table
from admin.rooms.shown import history_table
from admin.wording import said, say


@admin.register(Refund)
class Refunds(Room):
    list_display = ("created", "person", "state", "sum", "origin", "reason")
    list_filter = ("status", "origin", DaySpan, AmountSpan)
    list_select_related = ("user",)
    search = Search(find_refunds)
    search_help_text = say("Id here or at the payment system, id of the payment, e-mail, name")
    hint = say("No refund found: remove a filter. A payment is returned on its own page.")

    @admin.display(description=say("created"))
    def created(self, one: Refund) -> str:
        return looks.when(one.created_at)

    @admin.display(description=say("user"))
    def person(self, one: Refund) -> str:
        return looks.link(one.user)

    @admin.display(description=say("status"))
    def state(self, one: Refund) -> str:
        return looks.badge(one.status)

    @admin.display(description=say("amount"))
    def sum(self, one: Refund) -> str:
        return looks.money(one.amount, one.currency)

    def title(self, target: Refund) -> str:
        return f"{said('Refund')} – {target.user}"

    def facts(self, target: Refund) -> Sequence[Fact]:
        facts: list[Fact] = [
            (say("status"), self.state(target)),
            (say("amount"), self.sum(target)),
            (say("asked by"), target.get_origin_display()),
            (say("reason"), target.reason or looks.NOTHING),
            (say("user"), looks.link(target.user)),
            (say("payment"), looks.link_to("payment", target.payment_id)),
            (say("subscription"), looks.link_to("subscription", target.subscription_id)),
            (say("ends the subscription"), said("yes") if target.ends_subscription else said("no")),
            (say("id at the payment system"), looks.code(target.provider_refund_id)),
            (say("id"), looks.code(str(target.pk))),
            (say("created"), looks.when(target.created_at)),
            (say("settled"), looks.when(target.settled_at)),
        ]
        if target.cancel_reason:
            facts.append((say("refused because"), looks.reason_for(target.cancel_reason)))
        if target.last_silence and target.status in {"pending", "unknown"}:
            facts.append((say("last silence"), target.last_silence))
        return facts

    def tables(self, target: Refund, now: datetime) -> Sequence[Table]:
        happened = Event.objects.filter(subscription_id=target.subscription_id, refund_id=target.pk)
        return (history_table(happened),)
