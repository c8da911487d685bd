"""Tables that several pages show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from admin import looks
from admin.models import Event, Payment, Refund, Subscription
from admin.room import Table
from admin.wording import fact, said, say
from domain.money import Money

_NEWEST = 20
_HISTORY = 200


def all_of(model: str, **narrowed: object) -> str:
    """The address of a list, narrowed."""
    query = "&".join(f"{name}={value}" for name, value in narrowed.items())
    return f"{reverse(f'admin:billing_{model}_changelist')}?{query}"


def payments_table(payments: QuerySet[Payment], more: str = "") -> Table:
    rows = [
        (
            looks.link(one, said(one.kind)),
            looks.badge(one.status),
            looks.money(one.amount, one.currency),
            looks.money(one.refunded, one.currency) if one.refunded else looks.NOTHING,
            one.plan.name,
            looks.when(one.created_at),
            looks.reason_for(one.cancel_reason) if one.cancel_reason else "",
        )
        for one in payments.select_related("plan").order_by("-created_at", "-id")[:_NEWEST]
    ]
    heads = (
        say("payment"),
        say("status"),
        say("amount"),
        say("returned"),
        say("plan"),
        say("created"),
        say("refused because"),
    )
    return Table(say("Payments"), heads, rows, say("Nothing was paid yet."), more)


def refunds_table(refunds: QuerySet[Refund], more: str = "") -> Table:
    rows = [
        (
            looks.link(one, said(one.origin)),
            looks.badge(one.status),
            looks.money(one.amount, one.currency),
            one.reason or looks.NOTHING,
            looks.when(one.created_at),
        )
        for one in refunds.order_by("-id")[:_NEWEST]
    ]
    heads = (say("asked by"), say("status"), say("amount"), say("reason"), say("created"))
    return Table(say("Refunds"), heads, rows, say("Nothing was returned."), more)


def subscriptions_table(subscriptions: QuerySet[Subscription]) -> Table:
    rows = [
        (
            looks.link(one, one.plan.name),
            looks.badge(one.status),
            looks.period(one.period_start, one.period_end),
            looks.when(one.next_charge_at),
            looks.when(one.created_at),
        )
        for one in subscriptions.select_related("plan").order_by("-created_at")[:_NEWEST]
    ]
    heads = (say("plan"), say("status"), say("period"), say("next charge"), say("created"))
    return Table(say("Subscriptions"), heads, rows, say("No subscription yet: make a payment link for one."))


def history_table(events: QuerySet[Event], more: str = "") -> Table:
    """What happened, newest first (ADM-4)."""
    rows = [
        (looks.when(one.at), looks.link(one, said(one.type)), details(one.data), actor(one))
        for one in events.order_by("-at", "-id")[:_HISTORY]
    ]
    heads = (say("when"), say("what"), say("in detail"), say("by"))
    return Table(say("History"), heads, rows, say("Nothing has happened yet."), more)


def actor(event: Event) -> str:
    who = said(event.actor_kind)
    return f"{who} {event.actor_id}" if event.actor_kind in {"service", "admin"} else who


def details(data: Mapping[str, Any]) -> str:
    """The facts of an event that a person asks for."""
    return looks.joined(_details(data))


def _details(data: Mapping[str, Any]) -> Iterable[str]:
    if plan := data.get("plan_name"):
        yield str(plan)
    if (amount := _amount(data)) is not None:
        yield looks.money(amount.minor, amount.currency)
    for name in ("kind", "origin", "reason", "cancel_reason"):
        if value := data.get(name):
            yield said(str(value))
    if source := data.get("source"):
        yield f"{source} {data.get('reference')}"


def _amount(data: Mapping[str, Any]) -> Money | None:
    try:
        return Money.parse(str(data["amount"]), str(data.get("currency", "RUB")))
    except (KeyError, ValueError):
        return None


def facts_of(data: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """All that was written down, for those who search for a cause."""
    return [(fact(name), looks.NOTHING if value is None else said(str(value))) for name, value in data.items()]
