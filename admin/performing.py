"""From a form to the API, and back to the administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from admin.acts import Act, ActForm, new_key
from admin.commands_api import Done, Refused, Silent, commands_api
from admin.wording import said

if TYPE_CHECKING:
    from admin.room import Room

_log = structlog.get_logger(__name__)


def perform(room: Room, request: HttpRequest, target: Model | None, act: Act) -> HttpResponse:
    """Show the act's form or, when it comes back, do what it says. No transaction is open meanwhile."""
    if not request.user.has_perm(act.permission):
        raise PermissionDenied
    if request.method != "POST":
        form = act.form(initial={"key": new_key(), **act.initial(target)}, target=target)
        return _show(room, request, target, act, form)
    form = act.form(request.POST, target=target)
    if not form.is_valid():
        return _show(room, request, target, act, form)
    key = str(form.cleaned_data["key"])
    _write_down(room, request, target, act, key)
    match commands_api().ask(act.ask(target, form.given(), key)):
        case Done() as answer:
            messages.success(request, act.told(target, answer))
            return HttpResponseRedirect(_where_afterwards(room, request, target))
        case Refused() as refused:
            form.tell(refused)
        case Silent():
            form.add_error(
                None,
                said(
                    "No answer came, so it may have been done or not. Send this form again as it is: "
                    "it is done once, however often you send it."
                ),
            )
    return _show(room, request, target, act, form)


def _show(room: Room, request: HttpRequest, target: Model | None, act: Act, form: ActForm) -> HttpResponse:
    context: dict[str, Any] = {
        **room.admin_site.each_context(request),
        "title": act.title,
        "opts": room.opts,
        "target": target,
        "facts": room.facts(target) if target is not None else (),
        "act": act,
        "form": form,
        "back": _where_to(room, request, target),
    }
    return TemplateResponse(request, "billing/act.html", context)


def _where_to(room: Room, request: HttpRequest, target: Model | None) -> str:
    """The object's page, or the list where there is no object (any more)."""
    if target is None or room.get_object(request, str(target.pk)) is None:
        return _list_of(room)
    return reverse(f"admin:billing_{room.opts.model_name}_change", args=[target.pk])


def _where_afterwards(room: Room, request: HttpRequest, target: Model | None) -> str:
    """It was done, whatever befalls the database now: that must not look like a failure."""
    try:
        return _where_to(room, request, target)
    except Error:
        _log.warning("not_looked_at_afterwards", room=room.opts.model_name, exc_info=True)
        return _list_of(room)


def _list_of(room: Room) -> str:
    return reverse(f"admin:billing_{room.opts.model_name}_changelist")


def _write_down(room: Room, request: HttpRequest, target: Model | None, act: Act, key: str) -> None:
    """Who asks for it: to the API every administrator is the panel. The key is the request id in the events.

    Before it is asked for: an answer may be lost, and this process may end meanwhile. What was refused stands here
    too, and in no event. What it is done to stands there by its id alone: nobody comes here to erase a name.
    """
    try:
        LogEntry.objects.create(
            user_id=int(request.user.pk or 0),
            content_type=ContentType.objects.get_for_model(room.model),
            object_id=str(target.pk) if target is not None else None,
            object_repr=str(act.title if target is None else target.pk)[:200],
            action_flag=CHANGE if target is not None else ADDITION,
            change_message=f"{act.name} {key}",
        )
    except Error:
        _log.exception("administrator_not_written_down", act=act.name, user=request.user.pk, request_id=key)
