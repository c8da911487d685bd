"""What a person has to look at: the queue, open ones first to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from admin import looks
from admin.acts import Act, ActForm, Text
from admin.commands_api import Asked, Done
from admin.filters import OpenFirst
from admin.finding import Search, find_cases
from admin.models import Case
from admin.room import Fact, Room
from admin.rooms.shown import facts_of
from admin.wording import advice, said, say

_ABOUT = {
    **dict.fromkeys(("renewal_stuck", "reminder_stuck", "ending_stuck"), "subscription"),
    **dict.fromkeys(("subscription_stranded", "renewal_overdue"), "subscription"),
    "mail_undeliverable": "mail",
}
"""Whose id the subject of a case is, where that is neither a payment's nor a refund's."""


class ResolveForm(ActForm):
    resolution = forms.CharField(
        label=say("What was found and done"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )


class Resolve(Act):
    name = "resolve"
    title = say("Resolve the case")
    button = say("Resolve")
    explanation = say(
        "Closing takes it out of the queue and changes nothing in the books. Refund first on the payment's page, "
        "or charge on the subscription's."
    )
    permission = "billing.resolve_case"
    form = ResolveForm

    def is_possible(self, target: Case, now: datetime) -> bool:
        return target.resolved_at is None

    def ask(self, target: Case, given: Mapping[str, Any], key: str) -> Asked:
        return Asked("POST", f"/internal/v1/cases/{target.pk}/resolve", {"resolution": given["resolution"]}, key)

    def told(self, target: Case, answer: Done) -> Text:
        return said("The case was resolved")


@admin.register(Case)
class Cases(Room):
    list_display = ("opened", "what", "about", "detail", "seen", "state")
    list_filter = (OpenFirst,)
    search = Search(find_cases)
    search_help_text = say("Kind, what it is about, id of a payment or refund")
    empty = say("Nothing waits for a person.")
    acts = (Resolve(),)

    @admin.display(description=say("opened"))
    def opened(self, one: Case) -> str:
        return looks.when(one.opened_at)

    @admin.display(description=say("kind"))
    def what(self, one: Case) -> str:
        return said(one.kind)

    @admin.display(description=say("about"))
    def about(self, one: Case) -> str:
        if one.kind in _ABOUT:
            return looks.link_to(_ABOUT[one.kind], one.subject)
        if one.refund_id is not None:
            return looks.link_to("refund", one.refund_id)
        return looks.link_to("payment", one.payment_id) if one.payment_id else one.subject

    @admin.display(description=say("status"))
    def state(self, one: Case) -> str:
        return looks.flag("open", "warning") if one.resolved_at is None else looks.flag("resolved", "quiet")

    def title(self, target: Case) -> str:
        return said(target.kind)

    def facts(self, target: Case) -> Sequence[Fact]:
        return (
            (say("status"), self.state(target)),
            (say("what was found"), target.detail),
            (say("what to do"), advice(target.kind) or looks.NOTHING),
            (say("about"), self.about(target)),
            (say("user"), looks.link_to("person", target.user_id)),
            (say("payment"), looks.link_to("payment", target.payment_id)),
            (say("refund"), looks.link_to("refund", target.refund_id)),
            (say("times seen"), target.seen),
            (say("opened"), looks.when(target.opened_at)),
            (say("resolved"), looks.when(target.resolved_at)),
            (say("resolution"), target.resolution or looks.NOTHING),
            *facts_of(target.facts if isinstance(target.facts, dict) else {}),
        )
