"""Payment systems: registered, edited, and archived or deleted (ADM-2). Their settings are written, never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin

from admin import looks
from admin.acts import Act, ActForm, EditForm, Text
from admin.commands_api import Asked, Done
from admin.models import PaymentSystem
from admin.room import Fact, Room
from admin.wording import said, say

_PATH = "/internal/v1/payment-systems"
_SETTINGS = ("api_url", "shop_id", "secret_key")


class _SettingsForm(ActForm):
    """Empty fields are left as they are: nothing of what is kept comes back to a browser."""

    api_url = forms.URLField(
        label=say("Address of its API"), required=False, assume_scheme="https", max_length=2000, empty_value=""
    )
    shop_id = forms.CharField(label=say("Shop"), required=False, max_length=2000)
    secret_key = forms.CharField(
        label=say("Secret key"),
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}),
        help_text=say(
            "It is sealed and never shown again. Left empty, what is kept stays as it is; with a new address it has to "
            "be given again."
        ),
    )


class NewSystemForm(_SettingsForm):
    code = forms.CharField(
        label=say("Code"),
        max_length=64,
        help_text=say(
            "Latin letters, digits, dots, dashes, underscores. It is what the site names; it stays for ever."
        ),
    )
    name = forms.CharField(label=say("Name"), max_length=200)
    adapter = forms.ChoiceField(
        label=say("Adapter"), choices=[("yookassa", "YooKassa"), ("imitation", say("imitation, for trying out"))]
    )
    enabled = forms.BooleanField(label=say("Enabled"), required=False, initial=True)
    field_order = ("key", "code", "name", "adapter", *_SETTINGS, "enabled")


class SystemForm(EditForm, _SettingsForm):
    name = forms.CharField(label=say("Name"), max_length=200, show_hidden_initial=True)
    enabled = forms.BooleanField(
        label=say("Enabled"),
        required=False,
        show_hidden_initial=True,
        help_text=say("It brings back what is in the archive."),
    )
    field_order = ("key", "name", *_SETTINGS, "enabled")


def _settings(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: given[name] for name in _SETTINGS if given[name]}


class RegisterSystem(Act):
    name = "register"
    title = button = say("Add a payment system")
    permission = "billing.add_paymentsystem"
    form = NewSystemForm

    def ask(self, target: None, given: Mapping[str, Any], key: str) -> Asked:
        body = {name: given[name] for name in ("code", "name", "adapter", "enabled")}
        return Asked("POST", _PATH, {**body, "settings": _settings(given)}, key)

    def told(self, target: None, answer: Done) -> Text:
        return f"{said('The payment system was added')}: {answer.body.get('name')}"


class EditSystem(Act):
    name = "edit"
    title = say("Edit the payment system")
    button = say("Edit")
    permission = "billing.change_paymentsystem"
    form = SystemForm

    def initial(self, target: PaymentSystem) -> dict[str, Any]:
        return {"name": target.name, "enabled": target.enabled and target.archived_at is None}

    def ask(self, target: PaymentSystem, given: Mapping[str, Any], key: str) -> Asked:
        body = {name: given[name] for name in ("name", "enabled") if name in given}
        return Asked("PATCH", f"{_PATH}/{quote(target.code)}", {**body, "settings": _settings(given)}, key)

    def told(self, target: PaymentSystem, answer: Done) -> Text:
        return said("The payment system was changed")


class RetireSystem(Act):
    name = "retire"
    title = say("Delete the payment system")
    button = say("Delete")
    explanation = say(
        "One that nobody ever paid through is deleted. One that was used is archived: nobody new can choose it, "
        "and renewals through it go on."
    )
    permission = "billing.delete_paymentsystem"
    grave = True

    def is_possible(self, target: PaymentSystem, now: datetime) -> bool:
        return target.archived_at is None

    def ask(self, target: PaymentSystem, given: Mapping[str, Any], key: str) -> Asked:
        return Asked("DELETE", f"{_PATH}/{quote(target.code)}", None, key)

    def told(self, target: PaymentSystem, answer: Done) -> Text:
        if answer.status == 204:
            return said("The payment system was deleted")
        return said("The payment system was archived, for it was paid through")


@admin.register(PaymentSystem)
class PaymentSystems(Room):
    list_display = ("name", "code", "adapter", "used", "state")
    list_filter = ("enabled",)
    ordering = ("code",)
    empty = say("There is no payment system yet: add one, and people can pay through it.")
    creates = RegisterSystem()
    acts = (EditSystem(),)
    retires = RetireSystem()

    @admin.display(description=say("status"))
    def state(self, system: PaymentSystem) -> str:
        if system.archived_at is not None:
            return looks.flag("archived", "quiet")
        return looks.flag("enabled", "good") if system.enabled else looks.flag("switched off", "waiting")

    def facts(self, target: PaymentSystem) -> Sequence[Fact]:
        return (
            (say("status"), self.state(target)),
            (say("code"), looks.code(target.code)),
            (say("adapter"), target.adapter),
            (say("was paid through"), said("yes") if target.used else said("no")),
            (say("settings"), said("sealed, never shown")),
            (say("archived"), looks.when(target.archived_at)),
        )
