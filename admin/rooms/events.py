"""Everything that has happened, for ever (SUB-7)."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin

from admin import looks
from admin.finding import Search, find_of_user
from admin.models import Event
from admin.room import Fact, Room
from admin.rooms.shown import actor, details, facts_of
from admin.wording import said, say


@admin.register(Event)
class Events(Room):
    list_display = ("happened", "what", "whom", "about", "who")
    list_filter = ("actor_kind",)
    search = Search(find_of_user)
    search_help_text = say("Id, e-mail or name of a user")
    hint = say("Nothing found: search by the user's id or e-mail.")
    ordering = ("-id",)

    @admin.display(description=say("when"))
    def happened(self, one: Event) -> str:
        return looks.when(one.at)

    @admin.display(description=say("what"))
    def what(self, one: Event) -> str:
        return said(one.type)

    @admin.display(description=say("user"))
    def whom(self, one: Event) -> str:
        return looks.link_to("person", one.user_id)

    @admin.display(description=say("in detail"))
    def about(self, one: Event) -> str:
        return details(one.data)

    @admin.display(description=say("by"))
    def who(self, one: Event) -> str:
        return actor(one)

    def title(self, target: Event) -> str:
        return said(target.type)

    def facts(self, target: Event) -> Sequence[Fact]:
        return (
            (say("when"), looks.when(target.at)),
            (say("by"), actor(target)),
            (say("user"), looks.link_to("person", target.user_id)),
            (say("subscription"), looks.link_to("subscription", target.subscription_id)),
            (say("payment"), looks.link_to("payment", target.payment_id)),
            (say("refund"), looks.link_to("refund", target.refund_id)),
            (say("request"), looks.code(target.request_id)),
            *facts_of(target.data),
        )
