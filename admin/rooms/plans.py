"""Plans: created, edited, and archived or deleted (ADM-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from admin import looks
from admin.acts import Act, ActForm, EditForm, Text, rubles
from admin.commands_api import Asked, Done
from admin.models import PERIOD_UNIT, Plan, PlanPrice
from admin.present import present
from admin.prices import price_at
from admin.room import Fact, Room, Table
from admin.wording import counted, said, say

_PATH = "/internal/v1/plans"


def length(plan: Plan) -> str:
    return counted(plan.period_count, plan.period_unit)


def _price_field(*, show_hidden_initial: bool = False) -> forms.DecimalField:
    return forms.DecimalField(
        label=say("Price, ₽"),
        min_value=Decimal(1),
        max_value=Decimal("350000.00"),
        decimal_places=2,
        localize=True,
        show_hidden_initial=show_hidden_initial,
        help_text=say("It holds at once for new subscriptions; running ones pay it from their next renewal on."),
    )


class NewPlanForm(ActForm):
    code = forms.CharField(
        label=say("Code"),
        max_length=64,
        help_text=say(
            "Latin letters, digits, dots, dashes, underscores. It is what the site names; it stays for ever."
        ),
    )
    name = forms.CharField(label=say("Name"), max_length=200)
    price = _price_field()
    period_count = forms.IntegerField(label=say("Length of the period"), min_value=1, max_value=366, initial=1)
    period_unit = forms.ChoiceField(label=say("Unit of the period"), choices=PERIOD_UNIT, initial="month")
    trial_days = forms.IntegerField(label=say("Trial days"), min_value=0, max_value=366, initial=0)
    description = forms.CharField(
        label=say("Description"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    available = forms.BooleanField(label=say("For sale"), required=False, initial=True)

    sent_as: ClassVar[Mapping[str, str]] = {
        "price.value": "price",
        "price": "price",
        "period.count": "period_count",
        "period.unit": "period_unit",
    }


class PlanForm(EditForm):
    name = forms.CharField(label=say("Name"), max_length=200, show_hidden_initial=True)
    price = _price_field(show_hidden_initial=True)
    description = forms.CharField(
        label=say("Description"),
        max_length=2000,
        required=False,
        show_hidden_initial=True,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    available = forms.BooleanField(
        label=say("For sale"),
        required=False,
        show_hidden_initial=True,
        help_text=say("It brings back what is in the archive."),
    )

    sent_as: ClassVar[Mapping[str, str]] = {"price.value": "price"}


class CreatePlan(Act):
    name = "create"
    title = button = say("Add a plan")
    permission = "billing.add_plan"
    form = NewPlanForm

    def ask(self, target: None, given: Mapping[str, Any], key: str) -> Asked:
        body = {name: given[name] for name in ("code", "name", "description", "trial_days", "available")}
        period = {"unit": given["period_unit"], "count": given["period_count"]}
        return Asked("POST", _PATH, {**body, "price": rubles(given["price"]), "period": period}, key)

    def told(self, target: None, answer: Done) -> Text:
        return f"{said('The plan was added')}: {answer.body.get('name')}"


class EditPlan(Act):
    name = "edit"
    title = say("Edit the plan")
    button = say("Edit")
    permission = "billing.change_plan"
    form = PlanForm

    def initial(self, target: Plan) -> dict[str, Any]:
        price = price_at(target.pk, present())
        return {
            "name": target.name,
            "price": Decimal(price.amount) / 100 if price else None,
            "description": target.description,
            "available": target.available and target.archived_at is None,
        }

    def ask(self, target: Plan, given: Mapping[str, Any], key: str) -> Asked:
        body = {name: given[name] for name in ("name", "description", "available") if name in given}
        if "price" in given:
            body["price"] = rubles(given["price"])
        return Asked("PATCH", f"{_PATH}/{quote(target.code)}", body, key)

    def told(self, target: Plan, answer: Done) -> Text:
        return said("The plan was changed")


class RetirePlan(Act):
    name = "retire"
    title = say("Delete the plan")
    button = say("Delete")
    explanation = say(
        "A plan that nobody ever had is deleted. One that is in use is archived: nobody new can choose it, "
        "and those who have it are renewed as before."
    )
    permission = "billing.delete_plan"
    grave = True

    def is_possible(self, target: Plan, now: datetime) -> bool:
        return target.archived_at is None

    def ask(self, target: Plan, given: Mapping[str, Any], key: str) -> Asked:
        return Asked("DELETE", f"{_PATH}/{quote(target.code)}", None, key)

    def told(self, target: Plan, answer: Done) -> Text:
        return said("The plan was deleted") if answer.status == 204 else said("The plan was archived, for it is in use")


@admin.register(Plan)
class Plans(Room):
    list_display = ("name", "code", "price", "period", "trial_days", "state")
    list_filter = ("available", ("archived_at", admin.EmptyFieldListFilter))
    ordering = ("code",)
    empty = say("There is no plan yet: add the first one, and people can subscribe to it.")
    creates = CreatePlan()
    acts = (EditPlan(),)
    retires = RetirePlan()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        """With the price that holds now, in the same query."""
        prices = PlanPrice.objects.filter(plan=OuterRef("pk"), valid_from__lte=present()).order_by("-valid_from")
        amount, currency = (Subquery(prices.values(column)[:1]) for column in ("amount", "currency"))
        plans: QuerySet[Plan] = super().get_queryset(request)
        return plans.annotate(price_amount=amount, price_currency=currency)

    @admin.display(description=say("price"))
    def price(self, plan: Any) -> str:
        return looks.money(plan.price_amount, plan.price_currency)

    @admin.display(description=say("period"))
    def period(self, plan: Plan) -> str:
        return length(plan)

    @admin.display(description=say("status"))
    def state(self, plan: Plan) -> str:
        if plan.archived_at is not None:
            return looks.flag("archived", "quiet")
        return looks.flag("for sale", "good") if plan.available else looks.flag("not for sale", "waiting")

    def facts(self, target: Any) -> Sequence[Fact]:
        return (
            (say("status"), self.state(target)),
            (say("code"), looks.code(target.code)),
            (say("price"), self.price(target)),
            (say("period"), length(target)),
            (say("trial days"), target.trial_days or looks.NOTHING),
            (say("description"), target.description or looks.NOTHING),
            (say("created"), looks.when(target.created_at)),
            (say("archived"), looks.when(target.archived_at)),
        )

    def tables(self, target: Plan, now: datetime) -> Sequence[Table]:
        prices = PlanPrice.objects.filter(plan=target).order_by("-valid_from")[:100]
        rows = [(looks.when(one.valid_from), looks.money(one.amount, one.currency)) for one in prices]
        return (Table(say("Prices"), (say("valid from"), say("price")), rows, say("There is no price yet.")),)
