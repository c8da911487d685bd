"""Mails owed and sent; what they say stays with those whom they were sent to."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin

from admin import looks
from admin.finding import Search, find_of_user
from admin.models import Mail
from admin.room import Fact, Room
from admin.wording import said, say


def _told(mail: Mail) -> str:
    return ", ".join(said(event) for event in mail.events.split())


@admin.register(Mail)
class Mails(Room):
    list_display = ("created", "tells", "whom", "state", "attempts", "sent")
    list_filter = ("status",)
    search = Search(find_of_user)
    search_help_text = say("Id, e-mail or name of a user")
    hint = say("No mail found: search by the user's e-mail.")

    @admin.display(description=say("created"))
    def created(self, one: Mail) -> str:
        return looks.when(one.created_at)

    @admin.display(description=say("tells"))
    def tells(self, one: Mail) -> str:
        return _told(one)

    @admin.display(description=say("user"))
    def whom(self, one: Mail) -> str:
        return looks.link_to("person", one.user_id)

    @admin.display(description=say("status"))
    def state(self, one: Mail) -> str:
        return looks.badge(one.status)

    @admin.display(description=say("sent"))
    def sent(self, one: Mail) -> str:
        return looks.when(one.sent_at)

    def title(self, target: Mail) -> str:
        return _told(target)

    def facts(self, target: Mail) -> Sequence[Fact]:
        return (
            (say("status"), self.state(target)),
            (say("user"), looks.link_to("person", target.user_id)),
            (say("tries"), target.attempts),
            (say("created"), looks.when(target.created_at)),
            (say("sent"), looks.when(target.sent_at)),
            (say("last error"), target.last_error or looks.NOTHING),
        )
